"""Train a breast U-Net in a repeated patient-wise cross-validation and leave bit-level evidence.

    python -m experiments.breast --xla_deterministic
    python -m experiments.breast --folds=10 --repetitions=50 --vary=none
    python -m experiments.breast --fold=0

Every fold of every repetition is a process and a run folder of its own inside that of the whole;
with --fold one of them is run alone. A whole that was stopped goes on where it was.

Expected of the first (demo preset: 3 folds, 2 repetitions of 24 synthetic patients; two cores,
about five minutes): median Dice 93.7 % (95 % interval 92.2 to 95.4 %), against 52.9 % for the best
interval of intensities.
"""

from mrjax import command
from mrjax.tasks.breast.config import PRESETS, Config

if __name__ == "__main__" and command.alone("experiments.breast"):
    command.main(Config, PRESETS, "mrjax.tasks.program:run")
