"""The environment that a run needs, a pure function of its config and the present environment."""

import dataclasses
from collections.abc import Mapping

from mrjax.backend.flagtext import merge, same
from mrjax.backend.levels import xla_flags
from mrjax.config import RunConfig
from mrjax.errors import UserError

Settings = dict[str, str | None]  # None: take the variable away

_EMULATION: Settings = {
    "CUBLAS_EMULATE_DOUBLE_PRECISION": "0",
    "CUBLAS_EMULATE_SINGLE_PRECISION": "0",
    "CUBLAS_EMULATION_STRATEGY": None,
    "CUBLAS_EMULATION_SPECIAL_VALUES_SUPPORT_MASK": None,
    "CUBLAS_FIXEDPOINT_EMULATION_MANTISSA_BIT_COUNT": None,
}
"""Variables that make cuBLAS multiply in the type of the operands, not in smaller integers."""

PRODUCTS = (*_EMULATION, "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE")
"""Variables that change the products of NVIDIA's libraries; every record has them."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The environment in which the process of a run is to be started.

    Attributes:
        environ: all environment variables.
        xla_flags: the flags that this run adds to XLA_FLAGS, ``--name=value``.
        notes: changes to the user's environment, one line each.
    """

    environ: dict[str, str]
    xla_flags: tuple[str, ...]
    notes: tuple[str, ...]


def plan(config: RunConfig, environ: Mapping[str, str]) -> Plan:
    """Plan the environment of a run: a flag overrides an environment variable, and a note says so.

    Only XLA_FLAGS that contradict a flag are refused, because they would override it silently.

    Args:
        config: the checked configuration.
        environ: the present environment.

    Returns:
        The plan; where nothing needs to change, its environ equals the given one.

    Raises:
        UserError: XLA_FLAGS contradict a flag, or CUDA_VISIBLE_DEVICES hides the GPUs.
    """
    wanted = xla_flags(config)
    settings = _foreign(environ) | _jax(config) | _platform(config) | _threads(config)
    settings |= _gpus(config, environ) | _products(config)
    notes = [_note(name, environ[name], settings[name]) for name in settings if name in environ]
    text = merge(environ.get("XLA_FLAGS", ""), wanted)
    settings["XLA_FLAGS"] = text or None
    merged = {**environ, **settings}
    return Plan(
        environ={name: value for name, value in merged.items() if value is not None},
        xla_flags=tuple(f"--{name}={value}" for name, value in wanted.items()),
        notes=tuple(note for note in [*notes, *_remarks(config, environ)] if note),
    )


def _foreign(environ: Mapping[str, str]) -> Settings:
    """Take the user's variables of JAX away: many change bits, and some end every run.

    ``JAX_DISABLE_JIT``, ``JAX_NUMPY_DTYPE_PROMOTION=strict`` and ``JAX_DEBUG_NANS`` are of the
    latter kind, as is any variable with a value that JAX cannot read.
    """
    names = [name for name in environ if name.startswith("JAX_") and name != "JAX_PLATFORMS"]
    return dict.fromkeys(names)


def _jax(config: RunConfig) -> Settings:
    """Settings of JAX that change bits.

    x64 is on because random draws depend on it and studies compare float64. The persistent
    compilation cache is off because it keeps kernels that an earlier process chose, which would be
    another source of variation on a GPU; `mrjax.backend.store` turns it on for studies on CPUs.
    """
    return {
        "JAX_ENABLE_X64": "1",
        "JAX_THREEFRY_PARTITIONABLE": "1",
        "JAX_DEFAULT_MATMUL_PRECISION": config.matmul_precision,
        "JAX_ENABLE_COMPILATION_CACHE": "0",
        "JAX_COMPILATION_CACHE_DIR": None,
        "JAX_NUM_CPU_DEVICES": None,  # --devices decides
    }


def _platform(config: RunConfig) -> Settings:
    """Keep the CPU beside a GPU, because weights are drawn on the CPU."""
    known = {"cpu": "cpu", "gpu": "cuda,cpu"}
    return {"JAX_PLATFORMS": known[config.platform]} if config.platform in known else {}


def _threads(config: RunConfig) -> Settings:
    """Size of XLA's thread pool, which two variables can set."""
    return {"NPROC": str(config.cpu_threads), "PJRT_NPROC": None} if config.cpu_threads else {}


def _products(config: RunConfig) -> Settings:
    """Switch emulation off for order-free sums, which need the 53 bits of a float64 product."""
    exact = config.numerics == "reproducible" and config.platform != "cpu"
    return dict(_EMULATION) if exact else {}


def _gpus(config: RunConfig, environ: Mapping[str, str]) -> Settings:
    """Show the process only the GPUs that it uses, counted among the visible ones."""
    name = "CUDA_VISIBLE_DEVICES"
    first, last = config.device_index, config.device_index + config.devices
    if config.platform == "gpu" and environ.get(name) in ("", "-1"):
        raise UserError(
            f"--platform=gpu but {name}={environ[name]} hides every GPU; expected one to be "
            "visible; unset it, or use --platform=cpu"
        )
    if config.platform == "cpu" or environ.get(name) in ("", "-1"):
        return {}
    if name not in environ:
        return {name: ",".join(map(str, range(first, last)))}
    visible = environ[name].split(",")
    if last > len(visible):
        raise UserError(
            f"--device_index={first} --devices={config.devices} goes beyond the {len(visible)} "
            f"GPUs of {name}={environ[name]}; expected an index among them; change one of these"
        )
    return {name: ",".join(visible[first:last])}


def _note(name: str, old: str, new: str | None) -> str:
    """Return a note about a variable that changes; "" if its meaning stays the same."""
    if new is None:
        return f"{name}={old} of the environment is not used"
    return "" if same(old, new) else f"{name}={old} of the environment is replaced by {new}"


def _remarks(config: RunConfig, environ: Mapping[str, str]) -> list[str]:
    """Return a note for each of the user's variables that stays and has an effect."""
    threads = [
        f"{name}={environ[name]} of the environment sets the number of CPU threads"
        for name in ("NPROC", "PJRT_NPROC")
        if name in environ and not config.cpu_threads
    ]
    return threads if config.platform == "cpu" else [*threads, *on_products(config, environ)]


def on_products(config: RunConfig, environ: Mapping[str, str]) -> list[str]:
    """Return a note for each of `PRODUCTS` that the user has set and that a run does not change.

    Args:
        config: the configuration of the run.
        environ: the environment of the process.
    """
    return [
        f"{name}={environ[name]} of the environment may change products on a GPU"
        for name in PRODUCTS
        if name in environ and name not in _products(config)
    ]
