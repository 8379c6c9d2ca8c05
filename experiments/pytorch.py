"""Train a network of any task in PyTorch, paired with JAX to the bits of its start.

    python -m experiments.pytorch --task=qsm
    python -m experiments.pytorch --task=varnet --preset=tiny --sweep=seed_init=0:5
    python -m experiments.pytorch --task=breast --deterministic_algorithms

Data, initial weights, order of the batches, losses, rules of normalisation and metrics are those
of `python -m experiments.<task>` with the same flags, so what differs is the framework's rounding.
With --task, --help lists the flags of that task too. Needs PyTorch: pip install "mrjax[torch]".
"""

from mrjax import command
from mrjax.pytorch.config import CONFIGS, Common


def main() -> None:
    """Run what the command line describes, and exit."""
    command.main_of("task", CONFIGS, Common, "mrjax.pytorch.run:run", "mrjax.pytorch.startup:start")


if __name__ == "__main__" and command.alone("experiments.pytorch"):
    main()
