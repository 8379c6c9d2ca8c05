"""Which source changes the result, by how much, and is it more than chance: a study.

    python -m experiments.study recipes
    python -m experiments.study plan   --recipe=tiny_qsm
    python -m experiments.study run    --recipe=tiny_qsm
    python -m experiments.study status --recipe=tiny_qsm
    python -m experiments.study report --recipe=tiny_qsm

recipes lists the recipes that come with mrjax; --flagfile=FILE reads one of your own. plan checks
every flag and writes what is to be run into --study=DIR (else runs/studies/NAME); run does what is
not finished, here or through Slurm, and may be stopped and repeated; collect writes the tables
(results.csv, digests.csv, timing.csv, environment.csv), report writes them and report/index.html.
run, status, collect and report need --study or --name only. collect and report also read run
folders from elsewhere, <root>/<arm>/<label>, into --study=DIR:

    python -m experiments.study report ROOT ROOT --study=DIR --baseline=ARM

There --pairing=seed says that runs with equal labels share their seeds. Two sets of runs, such as
two arms, frameworks or machines, are put side by side, the first as baseline, in DIR/compare:

    python -m experiments.study compare A B --study=DIR

Runs are matched by their path below A and B; DIR may be left out for two arms of one study.

An arm is --arm="NAME [SOURCE]: --flag=value ...": what it adds to --baseline. {r} in it stands for
the number of the replicate, from 1. Instead of flags, or besides them: python=INTERPRETER,
resource=NAME, experiment=pytorch, command="PROGRAM ...", requires=ARM.
--infer_arm is the same for inference, repeated, with the network of the baseline's replicate 1.
"""

import os
import sys

from mrjax.study import command


def main(argv: list[str]) -> int:
    """Do what the command line asks for; a user's mistake is one line and exit code 2."""
    return command.run(argv[1:], __doc__)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main(sys.argv))
