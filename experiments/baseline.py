"""The former name of `python -m experiments.pytorch`, for commands that were written with it."""

from experiments.pytorch import main
from mrjax import command

if __name__ == "__main__" and command.alone("experiments.baseline"):
    main()
