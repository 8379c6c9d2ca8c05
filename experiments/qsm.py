"""Train QSMnet, evaluate it on held-out brains and leave bit-level evidence.

    python -m experiments.qsm --xla_deterministic
    python -m experiments.qsm --preset=tiny --sweep=seed_init=0:5

Expected (demo preset, two CPU cores): see README.md, which states what was measured.
"""

from mrjax import command
from mrjax.tasks.qsm.config import PRESETS, Config

if __name__ == "__main__":
    command.main(Config, PRESETS, "mrjax.tasks.qsm.run:run")
