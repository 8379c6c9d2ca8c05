"""Coordinates along the axes of a volume, in image and in frequency."""

import numpy as np
from jaxtyping import Float


def along(values: np.ndarray, axis: int) -> np.ndarray:
    """Lay values along one of three axes; the other two have length 1, for broadcasting."""
    return values.reshape([-1 if i == axis else 1 for i in range(3)])


def frequencies(n: int, spacing: float) -> Float[np.ndarray, " n"]:
    """Frequencies of an n-point DFT in FFT order [1/mm]; the Nyquist frequency is negative.

    k_j = j / (n h) for j < n / 2, else (j - n) / (n h), with the spacing h [mm].
    """
    index = np.arange(n)
    return np.where(2 * index >= n, index - n, index).astype(np.float64) / (n * spacing)
