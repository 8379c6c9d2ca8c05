"""Examples, their order and their normalisation: the same batches on every machine.

The batch of a training step is a pure function of (seed, step), so a resumed run needs the step
number and nothing else. No random state is carried, no worker process is involved.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import jax
import numpy as np
from jaxtyping import Int

from mrjax import keys
from mrjax.arrays import QsmSubject
from mrjax.data.patches import Batch, Patches, chi_of, patch_corners
from mrjax.errors import UserError
from mrjax.numerics import host

__all__ = [
    "Batch",
    "Examples",
    "Normalisation",
    "Patches",
    "batch",
    "batch_indices",
    "normalisation",
    "order",
    "patch_corners",
]

BatchT = TypeVar("BatchT", bound=Mapping[str, np.ndarray], covariant=True)


class Examples(Protocol[BatchT]):
    """What batches are taken from: patches of volumes, slices, anything counted from 0."""

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def stack(self, indices: Iterable[int], /) -> BatchT:
        """The examples of these numbers as one batch, in this order."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Normalisation:
    """Mean and standard deviation of the training voxels; stored with a trained network.

    Attributes:
        field_mean: mean of the local field inside the masks [ppm].
        field_std: its standard deviation [ppm], above zero.
        chi_mean: mean of the susceptibility inside the masks [ppm].
        chi_std: its standard deviation [ppm], above zero.
    """

    field_mean: float
    field_std: float
    chi_mean: float
    chi_std: float


def normalisation(subjects: Sequence[QsmSubject]) -> Normalisation:
    """Mean and (population) standard deviation over all voxels inside the masks.

    The sums are correctly rounded, so the constants depend neither on the order of the subjects
    nor on the CPU. Each voxel counts once; the authors' script counts a voxel once for every patch
    that holds it.

    Args:
        subjects: training subjects, each with chi.

    Returns:
        The four constants [ppm].

    Raises:
        UserError: no voxel in any mask, or a field or chi that is constant there.

    Source: SNU-LIST/QSMnet, Code/training_data_patch.py (voxels with mask > 0).
    """
    field_mean, field_std = _moments("field", [s.field[s.mask] for s in subjects])
    chi_mean, chi_std = _moments("chi", [chi_of(s)[s.mask] for s in subjects])
    return Normalisation(
        field_mean=field_mean, field_std=field_std, chi_mean=chi_mean, chi_std=chi_std
    )


def _moments(name: str, voxels: Sequence[np.ndarray]) -> tuple[float, float]:
    count = sum(v.size for v in voxels)
    if count == 0:
        raise UserError(
            "the masks of the training subjects are empty; expected voxels inside the brain; "
            "check the mask files"
        )
    mean = _exact_sum(v.astype(np.float64) for v in voxels) / count
    variance = _exact_sum((v.astype(np.float64) - mean) ** 2 for v in voxels) / count
    if variance == 0:
        raise UserError(
            f"the {name} of the training subjects is constant inside the masks; "
            "expected an image; check the files"
        )
    return mean, math.sqrt(variance)


def _exact_sum(parts: Iterable[np.ndarray]) -> float:
    return math.fsum(itertools.chain.from_iterable(part.tolist() for part in parts))


@functools.lru_cache(maxsize=4)
def order(seed: int, epoch: int, n: int) -> Int[np.ndarray, " n"]:
    """The order of the examples in one epoch: a permutation fixed by its three arguments.

    Integers only, and drawn on the CPU: the same on every device and machine. Cached; the array
    is read-only.

    Args:
        seed: seed of the stream `order`.
        epoch: 0, 1, ...
        n: number of examples.

    Returns:
        A permutation of 0 ... n - 1.
    """
    # Settings that would change the draw are fixed here instead of trusted.
    with host.on_cpu(), jax.threefry_partitionable(True):
        key = keys.stream(seed, "order", epoch)
        permutation = jax.random.permutation(key, np.arange(n, dtype=np.int32))
    result = np.asarray(permutation).astype(np.int64)
    result.flags.writeable = False
    return result


def batch_indices(
    seed_order: int, step: int, batch_size: int, n: int
) -> Int[np.ndarray, " batch_size"]:
    """Which examples make up the batch of a step; what the digest `order` is made of.

    An epoch has n // batch_size steps; the examples left over are dropped in that epoch.

    Args:
        seed_order: seed of the stream `order`.
        step: training step, counted from 0.
        batch_size: examples in a batch.
        n: number of examples.

    Returns:
        Indices in the order in which they stand in the batch.

    Raises:
        UserError: fewer examples than a batch holds.
    """
    if n < batch_size:
        raise UserError(
            f"{n} examples are fewer than a batch of {batch_size}; expected at least one batch; "
            "lower --batch_size or give more subjects, slices or patches"
        )
    epoch, position = divmod(step, n // batch_size)
    return order(seed_order, epoch, n)[position * batch_size : (position + 1) * batch_size]


def batch(examples: Examples[BatchT], seed_order: int, step: int, batch_size: int) -> BatchT:
    """The batch of one training step, a pure function of (examples, seed, step, size).

    Args:
        examples: what is trained on.
        seed_order: seed of the stream `order`.
        step: training step, counted from 0.
        batch_size: examples in a batch.

    Returns:
        The arrays of the examples by name, batch axis first.

    Raises:
        UserError: fewer examples than a batch holds.
    """
    indices = batch_indices(seed_order, step, batch_size, len(examples))
    return examples.stack(indices.tolist())
