"""Start JAX and read back the settings that it has."""

import contextlib
import dataclasses
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrjax.backend import software, store
from mrjax.backend.devices import bring_up
from mrjax.backend.flagtext import same
from mrjax.backend.levels import HOST_DEVICES, OWNED, UNSAFE, level, without_effect, xla_flags
from mrjax.backend.planning import PRODUCTS
from mrjax.backend.process import notes
from mrjax.backend.team import ALONE, Team, join
from mrjax.config import RunConfig
from mrjax.errors import UserError

_LARGEST_DUMP = 2**16
"""More than the dump of one operation takes, which is some small files [bytes]."""
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")
_VARIABLES = ("XLA_FLAGS", "NPROC", "PJRT_NPROC", "CUDA_VISIBLE_DEVICES", *PRODUCTS)


@dataclasses.dataclass(frozen=True)
class Backend:
    """The devices of a run, and the facts about them.

    Attributes:
        platform: "cpu" or "gpu".
        device_kind: model of the device, as JAX names it.
        devices: the JAX devices to use, in the requested number; with several processes those of
            all of them.
        level: level of reproducibility, one of `mrjax.backend.LEVELS`.
        xla_flags_seen: options of XLA that differ from its defaults, ``--name=value``.
        notes: notes for the user, one line each.
        autotune_choices: sha256 of the choices loaded under ``--xla_autotune=frozen``, because the
            config holds only the name of their file; None otherwise.
        team: the processes that train together.
    """

    platform: str
    device_kind: str
    devices: tuple[Any, ...]
    level: str
    xla_flags_seen: tuple[str, ...]
    notes: tuple[str, ...]
    autotune_choices: str | None = None
    team: Team = ALONE

    def facts(self) -> dict[str, Any]:
        """Return the backend's part of environment.json, as JSON values."""
        return {
            "platform": self.platform,
            "device_kind": self.device_kind,
            "device_count": len(self.devices),
            **({"process_count": self.team.count} if self.team.count > 1 else {}),
            "level": self.level,
            "versions": software.versions(_PACKAGES),
            "gpu": self._gpu() if self.platform == "gpu" else None,
            "variables": {name: os.environ.get(name) for name in _VARIABLES},
            "xla_flags_seen": list(self.xla_flags_seen),
            "autotune_choices": self.autotune_choices,
            "matmul_precision": _setting("default_matmul_precision"),
            "x64": _setting("enable_x64"),
            "threefry_partitionable": _setting("threefry_partitionable"),
            "compilation_cache": store.used(os.environ),
            "notes": list(self.notes),
        }

    def _gpu(self) -> dict[str, Any]:
        return {"platform_version": self.devices[0].client.platform_version} | software.cuda()


def start(config: RunConfig) -> Backend:
    """Start JAX and make sure that it has the settings of the config.

    Args:
        config: the checked configuration; `reexec` should have restarted the process before.

    Returns:
        The backend.

    Raises:
        UserError: a platform, a number of devices or a setting is not available.
    """
    team = join(config)
    devices, said = bring_up(config)
    platform = devices[0].platform
    seen = read_flags_back()
    # After the flags are read back: the program for it has a new name in every process.
    store.share(os.environ, platform)
    _verify_settings(config, platform)
    _verify_flags(config, seen)
    return Backend(
        platform=platform,
        device_kind=devices[0].device_kind,
        devices=devices,
        level=level(config),
        xla_flags_seen=tuple(f"--{name}={value}" for name, value in seen.items()),
        notes=(*(notes() or ()), *said, *without_effect(config, platform)),
        autotune_choices=_choices(config),
        team=team,
    )


def _choices(config: RunConfig) -> str | None:
    """Return the digest of the autotuner's choices that a frozen run loads."""
    if config.xla_autotune != "frozen":
        return None
    return hashlib.sha256(Path(config.xla_autotune_file).read_bytes()).hexdigest()


def _verify_settings(config: RunConfig, platform: str) -> None:
    """Refuse to go on if JAX was imported before its environment was set."""
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
    """Return the options of XLA that differ from its defaults, {name: value}.

    They are read from the dump of a one-operation compilation, so they are the options that XLA
    has, not those that were requested. The operation is a copy, which leaves nothing to tune: a
    frozen autotuner refuses to compile any arithmetic that is not among its stored choices.

    Args:
        sharding: sharding on the device to compile for; JAX's own choice by default.

    Raises:
        UserError: the dump does not hold the options.
    """
    import jax
    import jax.numpy as jnp

    with _roomy() as folder:
        options = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True}
        scalar = jax.ShapeDtypeStruct((), jnp.float32, sharding=sharding)

        def probe(x: Any) -> Any:
            return jnp.copy(x)

        # A name of its own: a stored program would be taken instead, and nothing be dumped.
        probe.__name__ = re.sub(r"\W", "_", f"probe{folder}")
        jax.jit(probe).lower(scalar).compile(compiler_options=options)
        text = "".join(path.read_text() for path in sorted(Path(folder).glob("*.debug_options")))
    pairs = re.findall(r"^(\w+): (.*)$", text, re.MULTILINE)
    if "xla_dump_to" not in dict(pairs):  # it was set, so it must be there if options were read
        raise UserError(
            "XLA does not tell which flags it runs with; expected a file *.debug_options in the "
            "dump of a compilation; install a version of jax that mrjax was tried with"
        )
    return {name: value.strip('"') for name, value in pairs if not _of_the_dump(name)}


@contextlib.contextmanager
def _roomy() -> Iterator[str]:
    """Give a temporary folder with room for a dump, of which XLA would otherwise write a part."""
    folder = None
    try:
        folder = tempfile.TemporaryDirectory(prefix="mrjax-")
        with tempfile.TemporaryFile(dir=folder.name) as file:
            file.write(bytes(_LARGEST_DUMP))
    except OSError as error:
        if folder:
            folder.cleanup()
        if error.errno == errno.EFBIG:  # a limit of this process, which its own files meet as well
            raise
        made = folder.name if folder else error.filename
        where = Path(made).parent if made else os.environ.get("TMPDIR", "/tmp")
        raise UserError(
            f"the temporary folder {where} cannot be written ({error.strerror}); expected room "
            "for a few files; set TMPDIR to a folder that can be written"
        ) from error
    with folder:
        yield folder.name


def _of_the_dump(name: str) -> bool:
    return name.startswith("xla_dump_") or name == "xla_detailed_logging"


def _verify_flags(config: RunConfig, seen: dict[str, str]) -> None:
    """Refuse to run at another level, or in another arm, than the record will name."""
    wanted = xla_flags(config)
    for name, (default, ours) in OWNED.items():
        if name == HOST_DEVICES:
            continue  # the number of devices was checked before
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
    """Return the present value of a setting of JAX."""
    import jax

    return getattr(jax.config, f"jax_{name}")
