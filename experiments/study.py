"""Which source changes the result, by how much, and is it more than chance: a study.

    python -m experiments.study recipes
    python -m experiments.study plan   --recipe=tiny_qsm
    python -m experiments.study run    --recipe=tiny_qsm
    python -m experiments.study status --recipe=tiny_qsm
    python -m experiments.study report --recipe=tiny_qsm

"recipes" lists the recipes that come with mrjax; --flagfile=FILE reads one of your own. "plan"
checks every flag and writes what is to be run into --study=DIR (default: runs/studies/NAME). "run"
makes the runs that are not finished, on this machine or through Slurm; it may be stopped and
repeated. "status" says how far the runs are. "collect" writes the tables results.csv, digests.csv,
timing.csv and environment.csv; "report" writes these and report/index.html. Once a study is
planned, the actions need only --study or --name.

"collect" and "report" also read run folders from elsewhere, <root>/<arm>/<label>, and write into
--study=DIR:

    python -m experiments.study report ROOT ROOT --study=DIR --baseline=ARM

With them, --pairing=seed says that runs of equal labels share their seeds.

"compare" puts two sets of runs side by side, such as two arms, frameworks or machines, and writes
DIR/compare/index.html. The first set is the baseline:

    python -m experiments.study compare A B --study=DIR

Runs are matched by their path below A and B; --study may be left out for two arms of one study.

"certificate" states how far two or more trainings agree bit for bit, for a paper. A, B and C are
run folders: of mrjax, of its recorder for PyTorch, or of any program that writes them:

    python -m experiments.study certificate A B C --study=DIR

An arm is given by --arm="NAME [SOURCE]: --flag=value ...": the flags that it adds to those of
--baseline, in which {r} stands for the number of the replicate, counted from 1. Besides flags, or
instead of them, it may have python=INTERPRETER, resource=NAME, experiment=pytorch,
command="PROGRAM ..." and requires=ARM. An arm given by --infer_arm trains nothing: it repeats
inference with the network of the baseline's first replicate.
"""

import os
import sys

from mrjax import command
from mrjax.study import command as studying


def main(argv: list[str]) -> int:
    """Do what the command line asks for; a user's mistake is one line and exit code 2."""
    return studying.run(argv[1:], __doc__)


if __name__ == "__main__" and command.alone("experiments.study"):
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main(sys.argv))
