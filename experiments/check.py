"""What a machine shows in a few minutes: the published bits, repetition, speed.

    python -m experiments.check --platform=gpu --out=DIR
    python -m experiments.check --platform=gpu --out=DIR --only=digests
    python -m experiments.check --platform=cpu --out=DIR --budget=3600

Three sections, in the order of what they are worth. digests: do the order-free trainings and
predictions of all networks have the bits that other machines gave? repeat: does the same command
give the same network twice, under each way of choosing algorithms, in JAX and in PyTorch? speed:
seconds of a training step at the publication's sizes, in both frameworks. --platform=cpu does the
same in sizes that two cores can carry.

Within the sections, and across them, the order is that of worth: 480 seconds may end before the
last variants of a step, which --only=speed then asks for. DIR, which must hold no report yet, gets
check.json, complete after every part, logs.txt, and evidence.jsonl with ledger and environment of
every training. Exit code 0: every part ended, the digests are the known ones, and nothing differs
that must not; 1: not so, and the last lines say why; 2: a mistake on the command line; 128 + n: a
signal n asked to stop.
"""

import sys
from pathlib import Path

from absl import flags

from mrjax import command
from mrjax.check import command as check
from mrjax.check import known
from mrjax.check.parts import SECTIONS
from mrjax.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_enum("platform", "gpu", ["gpu", "cpu"], "Kind of device", flag_values=FLAGS)
flags.DEFINE_string("out", None, "Folder of the report", flag_values=FLAGS)
flags.DEFINE_list("only", list(SECTIONS), "Sections, with commas", flag_values=FLAGS)
flags.DEFINE_list("tasks", list(check.TASKS), "Networks, with commas", flag_values=FLAGS)
flags.DEFINE_float(
    "budget", 480, "Seconds after which nothing is started", lower_bound=0, flag_values=FLAGS
)
flags.DEFINE_integer(
    "slots", 0, "Parts side by side; 0: half the cores", lower_bound=0, flag_values=FLAGS
)
flags.DEFINE_bool("pytorch", True, "Ask PyTorch too", flag_values=FLAGS)
flags.DEFINE_string(
    "known", str(known.FILE), "File of the known digests, with the machines", flag_values=FLAGS
)


def act(values: flags.FlagValues) -> int:
    """Run the check that the flags ask for; return its exit code."""
    if not values.out:
        raise UserError("--out is not given; expected a folder for the report; set it")
    asked = check.Asked(
        platform=values.platform,
        out=Path(values.out),
        sections=values.only,
        tasks=values.tasks,
        budget=values.budget,
        slots=values.slots,
        pytorch=values.pytorch,
        file=Path(values.known),
    )
    return check.run(asked)


if __name__ == "__main__" and command.alone("experiments.check"):
    command.tool(FLAGS, act, __doc__, sys.argv[1:])
