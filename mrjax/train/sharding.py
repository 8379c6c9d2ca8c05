"""Data-parallel placement: a batch is divided over devices, everything else is on each of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

HostBatch = Mapping[str, np.ndarray]


def place_batches(
    devices: Sequence[Any], batches: Callable[[int], HostBatch]
) -> tuple[Callable[[PyTree], PyTree], Callable[[int], dict[str, Any]]]:
    """Return how to put a state, and the batch of a step, on the devices.

    Args:
        devices: those of the run; a batch must be divisible by their number.
        batches: step to batch on the host.

    Returns:
        (state -> placed state, step -> placed batch).
    """
    mesh = Mesh(np.asarray(devices), ("batch",))
    whole = NamedSharding(mesh, PartitionSpec())
    divided = NamedSharding(mesh, PartitionSpec("batch"))
    return (
        lambda state: jax.device_put(state, whole),
        lambda step: {k: jax.device_put(v, divided) for k, v in batches(step).items()},
    )
