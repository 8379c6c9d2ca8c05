"""JAX comes up, and is asked what it understood."""

import dataclasses
import hashlib
import importlib.metadata
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mrjax.backend.flagtext import same
from mrjax.backend.levels import HOST_DEVICES, OWNED, UNSAFE, level, without_effect, xla_flags
from mrjax.backend.process import notes
from mrjax.config import RunConfig
from mrjax.errors import UserError

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")
_VARIABLES = ("XLA_FLAGS", "NPROC", "PJRT_NPROC", "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE")
_LIBRARIES = ("cuda_driver", "cuda_runtime", "cudnn", "cublas", "cufft")


@dataclasses.dataclass(frozen=True)
class Backend:
    """The devices of a run, and what is known about them.

    Attributes:
        platform: "cpu" or "gpu".
        device_kind: model of the device, as JAX names it.
        devices: the JAX devices to use, as many as asked for.
        level: level of reproducibility, one of `mrjax.backend.LEVELS`.
        xla_flags_seen: options XLA runs with that differ from its defaults, ``--name=value``.
        notes: what the user should know, one line each.
        autotune_choices: sha256 of the choices loaded under ``--xla_autotune=frozen``, whose file
            the config only names; None otherwise.
    """

    platform: str
    device_kind: str
    devices: tuple[Any, ...]
    level: str
    xla_flags_seen: tuple[str, ...]
    notes: tuple[str, ...]
    autotune_choices: str | None = None

    def facts(self) -> dict[str, Any]:
        """The backend's part of environment.json, as JSON values."""
        return {
            "platform": self.platform,
            "device_kind": self.device_kind,
            "device_count": len(self.devices),
            "level": self.level,
            "versions": {name: _version(name) for name in _PACKAGES},
            "gpu": _gpu_facts() if self.platform == "gpu" else None,
            "variables": {name: os.environ.get(name) for name in _VARIABLES},
            "xla_flags_seen": list(self.xla_flags_seen),
            "autotune_choices": self.autotune_choices,
            "matmul_precision": _setting("default_matmul_precision"),
            "x64": _setting("enable_x64"),
            "threefry_partitionable": _setting("threefry_partitionable"),
            "compilation_cache": _compilation_cache(),
            "notes": list(self.notes),
        }


def start(config: RunConfig) -> Backend:
    """Bring JAX up and make sure that it is what the config asked for.

    Args:
        config: what was asked for, checked; the process should have come through `reexec`.

    Returns:
        The backend.

    Raises:
        UserError: for a platform, a number of devices or a setting that is not there.
    """
    devices = _devices(config)
    platform = devices[0].platform
    seen = read_flags_back()
    _verify_settings(config, platform)
    _verify_flags(config, seen)
    return Backend(
        platform=platform,
        device_kind=devices[0].device_kind,
        devices=devices,
        level=level(config),
        xla_flags_seen=tuple(f"--{name}={value}" for name, value in seen.items()),
        notes=(*(notes() or ()), *without_effect(config, platform)),
        autotune_choices=_choices(config),
    )


def _choices(config: RunConfig) -> str | None:
    """Digest of the autotuner's choices a frozen run loads."""
    if config.xla_autotune != "frozen":
        return None
    return hashlib.sha256(Path(config.xla_autotune_file).read_bytes()).hexdigest()


def _devices(config: RunConfig) -> tuple[Any, ...]:
    """As many devices as asked for, of the platform asked for."""
    import jax

    try:
        found = jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter from JAX_PLATFORMS=cuda
        reason = (str(error).splitlines() or ["no device"])[0]
        raise UserError(
            f"JAX finds no device ({reason}); expected a CPU or a GPU; see --platform and "
            f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
        ) from error
    platform = found[0].platform
    if platform not in ("cpu", "gpu") or config.platform not in ("auto", platform):
        raise UserError(
            f"--platform={config.platform} but JAX runs on {platform}; expected a device of that "
            'kind; for a GPU install "mrjax[cuda]" and a driver, or use --platform=cpu'
        )
    if len(found) < config.devices:
        raise UserError(
            f"--devices={config.devices} but only {len(found)} {platform} device(s) are there; "
            "expected at most that many; lower --devices"
        )
    return tuple(found[: config.devices])


def _verify_settings(config: RunConfig, platform: str) -> None:
    """Refuse a JAX that was imported before its environment was set."""
    wanted: dict[str, Any] = {"enable_x64": True, "threefry_partitionable": True}
    if platform == "gpu":  # no effect elsewhere
        wanted["default_matmul_precision"] = config.matmul_precision
    for name, value in wanted.items():
        if _setting(name) != value:
            raise UserError(
                f"JAX runs with jax_{name}={_setting(name)}; expected {value}; start the run by "
                "python -m experiments.NAME, which sets it in time"
            )


def read_flags_back(sharding: Any = None) -> dict[str, str]:
    """Options XLA runs with that differ from its defaults, {name: value}.

    Read from the dump of a one-operation compilation: what XLA says, not what was asked of it.
    The operation is a copy because it leaves nothing to tune: a frozen autotuner refuses to
    compile any arithmetic that is not among its stored choices.

    Args:
        sharding: of the device to compile for; JAX's own choice by default.
    """
    import jax
    import jax.numpy as jnp

    with tempfile.TemporaryDirectory(prefix="mrjax-") as folder:
        options = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True}
        scalar = jax.ShapeDtypeStruct((), jnp.float32, sharding=sharding)
        lowered = jax.jit(jnp.copy).lower(scalar)
        lowered.compile(compiler_options=options)
        text = "".join(path.read_text() for path in sorted(Path(folder).glob("*.debug_options")))
    pairs = re.findall(r"^(\w+): (.*)$", text, re.MULTILINE)
    return {name: value.strip('"') for name, value in pairs if not _of_the_dump(name)}


def _of_the_dump(name: str) -> bool:
    return name.startswith("xla_dump_") or name == "xla_detailed_logging"


def _verify_flags(config: RunConfig, seen: dict[str, str]) -> None:
    """Refuse to run under a level or an arm other than the one the record will name."""
    wanted = xla_flags(config)
    for name, (default, ours) in OWNED.items():
        if name == HOST_DEVICES:
            continue  # devices were counted
        actual, value = seen.get(name, default), wanted.get(name, default)
        if not same(actual, value):
            raise UserError(
                f"XLA runs with --{name}={actual}; expected {value!r} from {ours}; start the run "
                "by python -m experiments.NAME, which sets it in time"
            )

    for name in UNSAFE:
        if config.numerics == "reproducible" and same(seen.get(name, "false"), "true"):
            raise UserError(
                f"XLA_FLAGS sets --{name}, under which no arithmetic is reproducible; expected it "
                "not to be set; remove it, or use --numerics=native"
            )


def _setting(name: str) -> Any:
    """A setting of JAX, as it is now."""
    import jax

    return getattr(jax.config, f"jax_{name}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compilation_cache() -> str:
    """Folder of the persistent compilation cache, or "off"."""
    folder = _setting("compilation_cache_dir")
    return folder if folder and _setting("enable_compilation_cache") else "off"


def _gpu_facts() -> dict[str, Any]:
    """Driver, CUDA libraries and JAX's plugins; None for what cannot be found out."""
    import jax
    from jax._src.lib import cuda_versions  # no public way to ask for the versions in use

    def version(library: str) -> int | None:
        ask = getattr(cuda_versions, f"{library}_get_version", None)
        return ask() if ask else None

    driver = Path("/proc/driver/nvidia/version")
    plugins = [f"jax-cuda{major}-{part}" for major in (12, 13) for part in ("plugin", "pjrt")]
    return {
        "driver": driver.read_text().splitlines()[0] if driver.exists() else None,
        "platform_version": jax.devices()[0].client.platform_version,
        "libraries": {library: version(library) for library in _LIBRARIES},
        "packages": {name: _version(name) for name in plugins if _version(name)},
    }
