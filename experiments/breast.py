"""Train a breast U-Net in a repeated patient-wise cross-validation and leave bit-level evidence.

    python -m experiments.breast --xla_deterministic
    python -m experiments.breast --folds=10 --repetitions=50 --vary=none
    python -m experiments.breast --fold=0

Every fold of every repetition is a process and a run folder of its own inside that of the whole;
with --fold one of them is run alone. A whole that was stopped goes on where it was.
"""

from mrjax import command
from mrjax.tasks.breast.config import PRESETS, Config

if __name__ == "__main__":
    command.main(Config, PRESETS, "mrjax.tasks.breast.run:run")
