"""The command ``python -m experiments.network diverge``."""

import sys
from pathlib import Path

from absl import flags

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "out",
    "",
    "Folder for diverge.html, diverge.json and figures, of mrjax's own trainings also for "
    "retake.json and the records of the step taken again; empty: none",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "step", None, "Step that both take again; unset: the first that differs", flag_values=FLAGS
)
flags.DEFINE_string("python_a", "", "Interpreter of A; empty: this one", flag_values=FLAGS)
flags.DEFINE_string("python_b", "", "Interpreter of B; empty: this one", flag_values=FLAGS)


def act(values: flags.FlagValues, a: str, b: str) -> int:
    """Print where two recorded trainings part."""
    from mrjax.diverge import command as diverging
    from mrjax.diverge.retake import command as retaking

    asked = retaking.Asked(values.step, (values.python_a, values.python_b), str(values.out))
    both = retaking.known(Path(a), Path(b))
    lines = retaking.run(*both, asked) if both else [diverging.run(Path(a), Path(b), asked.out)]
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0
