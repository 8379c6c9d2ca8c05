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
