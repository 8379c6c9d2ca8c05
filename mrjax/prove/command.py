"""The command ``python -m experiments.network prove``."""

import shlex
import sys

from absl import flags

from mrjax.prove import proof
from mrjax.tasks.registry import TASKS

FLAGS = flags.FlagValues()
flags.DEFINE_enum("task", next(iter(TASKS)), list(TASKS), "Network", flag_values=FLAGS)
flags.DEFINE_string("preset", "tiny", "Preset of every run", flag_values=FLAGS)
flags.DEFINE_integer("steps", None, "Training steps of every run", flag_values=FLAGS)
flags.DEFINE_string("flags", "", "Further flags of every run", flag_values=FLAGS)
flags.DEFINE_multi_string("python", [], "A further interpreter, repeatable", flag_values=FLAGS)
flags.DEFINE_string(
    "workdir", "", "Folder of the runs; empty: one for these flags and this code", flag_values=FLAGS
)


def act(values: flags.FlagValues) -> int:
    """Train under every pair of settings; return 0 if only the native digests differ."""
    steps = [] if values.steps is None else [f"--steps={values.steps}"]
    common = [f"--preset={values.preset}", *steps, *shlex.split(values["flags"].value)]
    pythons = [sys.executable, *values.python]
    return proof.run(proof.Proof(values.task, common, pythons, values.workdir))
