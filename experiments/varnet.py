"""Train the variational network on accelerated knees and leave bit-level evidence.

python -m experiments.varnet --xla_deterministic
python -m experiments.varnet --preset=tiny --sweep=seed_init=0:5
"""

from mrjax import command
from mrjax.tasks.varnet.config import PRESETS, Config

if __name__ == "__main__":
    command.main(Config, PRESETS, "mrjax.tasks.varnet.run:run")
