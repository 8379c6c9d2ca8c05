"""Synthetic brains, divided into training and held-out subjects."""

from mrjax.arrays import QsmSubject
from mrjax.physics.phantoms import brain

Split = tuple[list[QsmSubject], list[QsmSubject]]

# Held-out brains have indices of their own, so that --n_train leaves the test set alone.
FIRST_TEST_INDEX = 1 << 20


def synthetic_split(n_train: int, n_test: int, volume: int, data: int, noise: int) -> Split:
    """Brains from keys; brain i of a split does not depend on how many others there are.

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
