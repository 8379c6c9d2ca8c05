"""Data-parallel placement: a batch is divided among devices; each device has all other arrays."""

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
    """Return functions that put a state, and the batch of a step, on the devices.

    Args:
        devices: devices of the run; the batch size must be divisible by their number.
        batches: map from a step to its batch on the host.

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
