"""Question (c) at the finest grain: how far outputs and weights of runs lie apart. No tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num

from mrjax.study.statistics import common

Array = Num[np.ndarray, "..."]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How two outputs differ, voxel by voxel."""

    n: int
    """Voxels compared."""
    identical: bool
    """Equal in every voxel (zeros of either sign are equal)."""
    largest: float
    """Largest absolute difference, in the outputs' unit; complex: of the complex numbers."""
    rms: float
    ulp: float
    """``largest`` in units in the last place (float32) of the largest magnitude of the first
    output: one number for the whole image, because steps between neighbours near zero are so fine
    that any difference there is billions of them."""
    churn: float
    """Share of voxels that differ by more than ``tau``."""
    tau: float
    unit: str = common.VOXEL


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How far two sets of weights lie apart."""

    n: int
    """Numbers compared."""
    identical: bool
    relative_l2: float | None
    """||b - a|| / ||a||; None if a is zero."""
    normalised_l2: float | None
    """Distance of a / ||a|| and b / ||b||: blind to a common scale. None if either is zero."""
    cosine: float | None
    unit: str = "weight"


@dataclass(frozen=True, kw_only=True, eq=False)
class VoxelSpread:
    """Mean and standard deviation over runs in every voxel."""

    n: int
    """Runs."""
    identical: bool
    """No voxel differs between any two runs."""
    mean: Float[np.ndarray, "..."]
    sd: Float[np.ndarray, "..."]
    unit: str = common.VOXEL


def differences(
    a: Array, b: Array, *, tau: float, mask: Bool[np.ndarray, "..."] | None = None
) -> Differences:
    """Compare two outputs; both are first rounded to float32 (complex64) if they are not.

    Args:
        a: output of one run, any shape, real or complex.
        b: output of another run, the same shape and unit.
        tau: difference from which on a voxel counts as changed, in that unit.
        mask: True where voxels count; everywhere by default.

    Raises:
        ValueError: shapes differ, no voxel, or a value that is not finite.
    """
    a, b = np.asarray(a), np.asarray(b)
    mask = np.ones(a.shape, bool) if mask is None else np.asarray(mask).astype(bool)
    if not a.shape == b.shape == mask.shape or not mask.any():
        raise ValueError(f"expected equal shapes and a voxel: {a.shape}, {b.shape}, {mask.shape}")
    kind = np.complex64 if np.iscomplexobj(a) or np.iscomplexobj(b) else np.float32
    a, b = (np.ascontiguousarray(image[mask].astype(kind)) for image in (a, b))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("an output has values that are not finite")
    apart = np.abs(b.astype(np.complex128) - a) if kind is np.complex64 else _apart(a, b)
    return Differences(
        n=int(mask.sum()),
        identical=not apart.any(),
        largest=float(apart.max()),
        rms=float(np.sqrt(np.mean(apart**2))),
        ulp=float(apart.max() / np.spacing(np.float32(np.abs(a).max()))),
        churn=float(np.mean(apart > tau)),
        tau=tau,
    )


def _apart(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.abs(b.astype(np.float64) - a)


def voxelwise(images: Iterable[Array]) -> VoxelSpread:
    """Mean and standard deviation over runs in every voxel, one image in memory at a time.

    Args:
        images: outputs of the runs, real, one shape and unit; a generator that reads one file
            after the other will do.

    Returns:
        Two float64 images; ``sd`` divides by n - 1.

    Raises:
        ValueError: fewer than two images, shapes that differ, or complex images.

    Source: Welford, Technometrics 4:419 (1962).
    """
    mean = squares = np.zeros(())
    n = 0
    for image in images:
        image = np.asarray(image)
        if np.iscomplexobj(image):
            raise ValueError("a complex image has no single deviation; take the magnitude first")
        image = image.astype(np.float64)  # a copy: the mean is updated in place
        if n == 0:
            mean, squares = image, np.zeros(image.shape)
        if image.shape != mean.shape:
            raise ValueError(f"image {n} has shape {image.shape}, those before {mean.shape}")
        n += 1
        step = image - mean
        mean += step / n
        squares += step * (image - mean)
    if n < 2:
        raise ValueError(f"a deviation needs two images or more, got {n}")
    return VoxelSpread(n=n, identical=not squares.any(), mean=mean, sd=np.sqrt(squares / (n - 1)))


def weights(a: Mapping[str, Array], b: Mapping[str, Array]) -> Weights:
    """Distance and angle of two networks' weights, in float64.

    Args:
        a: name -> weights of one run.
        b: those of another run, same names and shapes.

    Raises:
        ValueError: names or shapes differ.

    Source: Zhuang et al., MLSys 2022 (normalised L2 distance of weights).
    """
    if {name: np.shape(x) for name, x in a.items()} != {name: np.shape(x) for name, x in b.items()}:
        raise ValueError("the networks have different weights; expected equal names and shapes")
    aa, bb, ab, apart = (0.0,) * 4
    for x, y in _vectors(a, b):
        aa, bb = aa + common.dot(x, x), bb + common.dot(y, y)
        ab, apart = ab + common.dot(x, y), apart + common.dot(y - x, y - x)
    n = sum(np.size(x) for x in a.values())
    norms = np.sqrt(aa), np.sqrt(bb)
    if apart == 0.0:
        none = None if aa == 0.0 else 0.0
        one = None if aa == 0.0 else 1.0
        return Weights(n=n, identical=True, relative_l2=none, normalised_l2=none, cosine=one)
    turned = cosine = None
    if aa > 0.0 and bb > 0.0:
        turned = sum(float(np.sum((y / norms[1] - x / norms[0]) ** 2)) for x, y in _vectors(a, b))
        cosine = float(np.clip(ab / (norms[0] * norms[1]), -1.0, 1.0))
    return Weights(
        n=n,
        identical=False,
        relative_l2=float(np.sqrt(apart) / norms[0]) if aa > 0.0 else None,
        normalised_l2=None if turned is None else float(np.sqrt(turned)),
        cosine=cosine,
    )


def _vectors(
    a: Mapping[str, Array], b: Mapping[str, Array]
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Weights of both by name, flat in float64; complex numbers as two."""
    for name in sorted(a):
        yield _flat(a[name]), _flat(b[name])


def _flat(array: Array) -> np.ndarray:
    array = np.asarray(array)
    if np.iscomplexobj(array):
        array = np.stack([np.real(array), np.imag(array)])
    return array.astype(np.float64).reshape(-1)
