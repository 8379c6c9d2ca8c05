"""Synthetic brains and knees, divided into training and held-out ones."""

from mrjax.arrays import QsmSubject, SenseSlice
from mrjax.physics.phantoms import brain, knee

Split = tuple[list[QsmSubject], list[QsmSubject]]
SliceSplit = tuple[list[SenseSlice], list[SenseSlice]]

# Held-out subjects have indices of their own, so that --n_train leaves the test set alone.
FIRST_TEST_INDEX = 1 << 20


def synthetic_split(n_train: int, n_test: int, volume: int, data: int, noise: int) -> Split:
    """Make brains from seeds; brain i of a split does not depend on how many others there are.

    Args:
        n_train: number of training brains.
        n_test: number of held-out brains.
        volume: edge of the cubic volume [voxels].
        data: seed of the stream `data`.
        noise: seed of the stream `noise`.

    Returns:
        (training, held-out) subjects.
    """

    def make(index: int) -> QsmSubject:
        return brain.brain(data, noise, index, shape=(volume, volume, volume))

    train = [make(i) for i in range(n_train)]
    return train, [make(FIRST_TEST_INDEX + i) for i in range(n_test)]


def knee_split(
    n_train: int, n_test: int, shape: tuple[int, int], coils: int, data: int, noise: int
) -> SliceSplit:
    """Make multi-coil knees from seeds; slice i does not depend on how many others there are.

    Args:
        n_train: number of training slices.
        n_test: number of held-out slices.
        shape: rows and columns [pixels].
        coils: number of receive coils.
        data: seed of the stream `data`.
        noise: seed of the stream `noise`.

    Returns:
        (training, held-out) slices.
    """

    def make(index: int) -> SenseSlice:
        return knee.knee(data, noise, index, shape=shape, coils=coils)

    train = [make(i) for i in range(n_train)]
    return train, [make(FIRST_TEST_INDEX + i) for i in range(n_test)]
