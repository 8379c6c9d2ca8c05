"""Fields and rules that the configurations of several tasks share. Imports no jax."""

from typing import Any

from mrjax.config import option
from mrjax.errors import UserError


def width() -> Any:
    """Declare the field of a U-Net's width."""
    return option(8, "Features of the first level; doubled at each level below", minimum=1)


def levels() -> Any:
    """Declare the field of a U-Net's depth."""
    return option(3, "Number of poolings of the network", minimum=1)


def momentum(default: float) -> Any:
    """Declare the field of the momentum of batch normalisation."""
    return option(
        default,
        "Share of the old value in the running statistics of batch normalisation",
        minimum=0.0,
        maximum=0.9999,
    )


def check_window(window: int, example: int) -> None:
    """Raise UserError for a convolution window that is not odd; the example is an allowed one."""
    if window % 2 == 0 or window < 1:
        raise UserError(f"--window={window} is even; expected an odd length; try {example}")


def check_inference(steps: int, from_run: str) -> None:
    """Raise UserError for a run that trains nothing and has no trained network."""
    if steps == 0 and not from_run:
        raise UserError(
            "--steps=0 infers with a trained network; expected --from_run; name a finished "
            "run folder or a package, or train at least one step"
        )


def check_held_out(n_test: int, steps: int, dataset: str) -> None:
    """Raise UserError where all subjects are held out of a training, or of synthetic ones."""
    if n_test == 0 and (steps or dataset == "synthetic"):
        raise UserError(
            "--n_test=0 holds out all there are; expected at least 1, or --steps=0 with files; "
            "raise --n_test"
        )


def check_maps(numerics: str, maps: str) -> None:
    """Raise UserError for coil sensitivity maps that order-free arithmetic cannot use."""
    if numerics == "reproducible" and maps == "espirit":
        raise UserError(
            "--maps=espirit gives other bits on other machines; expected acs under "
            "--numerics=reproducible; change one of them"
        )
