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
        lambda state: jax.tree.map(lambda leaf: _put(leaf, whole), state),
        lambda step: {k: _put(v, divided) for k, v in batches(step).items()},
    )


def jitted(step: Callable[..., Any], devices: Sequence[Any]) -> Any:
    """Return a training step to compile; it gives the memory of its state to the next state.

    Args:
        step: (state, batch) -> (state, evidence).
        devices: devices of the run. Where those of several processes are among them, every device
            gets all results whole, so that each process can read them.
    """
    processes = {device.process_index for device in devices}
    if len(processes) == 1:
        return jax.jit(step, donate_argnums=0)
    mesh = Mesh(np.asarray(devices), ("batch",))
    return jax.jit(step, donate_argnums=0, out_shardings=NamedSharding(mesh, PartitionSpec()))


def _put(array: Any, sharding: NamedSharding) -> jax.Array:
    """Put an array, which every process has whole, on the devices of all processes."""
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    host = np.asarray(array)
    return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])


def here(tree: PyTree) -> PyTree:
    """Return arrays that each device has whole on the devices of this process alone."""
    return jax.tree.map(lambda x: x if x.is_fully_addressable else x.addressable_data(0), tree)
