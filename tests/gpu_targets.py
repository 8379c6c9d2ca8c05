"""GPUs to compile for without having one, described to XLA by figures of their data sheets.

XLA asks for a ``GpuTargetConfigProto`` as text. Only fields that jax 0.10.2 knows are written;
peak rates of single data types, which newer versions accept too, are left to XLA's own estimate.
"""

import dataclasses
import json
from typing import Any

HOPPER = {
    "cuda_compute_capability": {"major": 9},
    "core_count": 132,
    "fpus_per_core": 128,
    "clock_rate_ghz": 1.98,
    "l2_cache_size": 50 * 2**20,
    "shared_memory_per_core": 228 * 1024,
    "shared_memory_per_block": 48 * 1024,
    "shared_memory_per_block_optin": 227 * 1024,
    "registers_per_core_limit": 65536,
    "registers_per_block_limit": 65536,
    "threads_per_warp": 32,
    "threads_per_block_limit": 1024,
    "threads_per_core_limit": 2048,
    "thread_dim_limit_x": 1024,
    "thread_dim_limit_y": 1024,
    "thread_dim_limit_z": 64,
    "block_dim_limit_x": 2**31 - 1,
    "block_dim_limit_y": 65535,
    "block_dim_limit_z": 65535,
    "device_address_bits": 64,
    "device_vendor": "NVIDIA Corporation",
    "platform_version": "Compute Capability 9.0a",
    "pcie_bandwidth": 32 * 2**30,
    "ecc_enabled": True,
}
"""The chip of both GPUs (sm_90a) in the module for servers; memory sizes in bytes."""

SOFTWARE = {
    "driver_version": "13.0.0",
    "runtime_version": "12.8.0",
    "compile_time_toolkit_version": "12.8.0",
    "dnn_version": "9.10.0",
    "cub_version": "3.1.2",
}
CUDNN = {"major": 9, "minor": 10, "patch": 0}


@dataclasses.dataclass(frozen=True)
class Gpu:
    """What tells one GPU from another with the same chip.

    Attributes:
        name: as the driver names it.
        memory: its size [byte].
        bandwidth: of the memory [byte/s].
    """

    name: str
    memory: int
    bandwidth: int

    def config(self) -> str:
        """The GPU as XLA asks for it: a ``GpuTargetConfigProto`` in text format."""
        own = {"device_memory_size": self.memory, "memory_bandwidth": self.bandwidth}
        device = {"name": self.name, **own, **HOPPER, **SOFTWARE}
        return _text(
            {
                "gpu_device_info": device,
                "platform_name": "CUDA",
                "dnn_version_info": CUDNN,
                "device_description_str": self.name,
            }
        )


def _text(fields: dict[str, Any]) -> str:
    """A protocol buffer in text format; numbers, strings and booleans read as in JSON."""
    return "\n".join(
        f"{name} {{\n{_text(value)}\n}}"
        if isinstance(value, dict)
        else f"{name}: {json.dumps(value)}"
        for name, value in fields.items()
    )


GPUS = {
    "h100": Gpu(name="NVIDIA H100 80GB HBM3", memory=84942979072, bandwidth=3352320000000),
    "h200": Gpu(name="NVIDIA H200 141GB HBM3e", memory=151397597184, bandwidth=4800000000000),
}
