"""The former name of `python -m experiments.pytorch`, for commands that were written with it."""

from experiments.pytorch import main

if __name__ == "__main__":
    main()
