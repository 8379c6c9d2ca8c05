"""How programs under test compile: with little optimisation, into one store for all of them.

A run never uses JAX's persistent compilation cache, because kernels of an earlier process would
be a source of variation of their own. Tests start the same small programs a hundred times, and most
of their time would go into compiling these again. So the cache is switched on behind the run's
back, and the run records that it was. Most optimisations are left out, because these programs are
compiled for longer than they run.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping

FOLDER = "MRJAX_TEST_COMPILED"
"""Environment variable that names the store, a folder that all processes of a test run share."""

NO_FIGURES = "MRJAX_TEST_NO_FIGURES"
"""Environment variable whose presence makes figures empty files."""

_used: list[bool] = []
"""Not empty if this process holds programs that were compiled with little optimisation."""


def empty(figure, path, **options: object) -> None:
    """In place of ``Figure.savefig``."""
    path.touch()


def settings() -> dict[str, object]:
    """Settings of JAX, by name."""
    return {
        "jax_disable_most_optimizations": True,
        "jax_enable_compilation_cache": True,
        "jax_compilation_cache_dir": os.environ[FOLDER],
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }


def apply(jax) -> None:
    """Change the settings of the imported jax."""
    for name, value in settings().items():
        jax.config.update(name, value)
    from jax._src import lru_cache

    lru_cache.LRUCache.put = _put


@contextlib.contextmanager
def everything(more: Mapping[str, object] | None = None) -> Iterator[None]:
    """Compile so in this process, until the end of the context.

    Args:
        more: other settings of JAX that hold until then.
    """
    import jax

    wanted = settings() | dict(more or {})
    before = {name: jax.config.values[name] for name in wanted}
    _used.append(True)
    apply(jax)
    _change(jax, wanted)
    try:
        yield
    finally:
        _change(jax, before)


def forget() -> None:
    """Drop what this process has compiled so: JAX would use it again under other settings."""
    import jax

    if _used:
        jax.clear_caches()
        _used.clear()


def _change(jax, wanted: Mapping[str, object]) -> None:
    for name, value in wanted.items():
        jax.config.update(name, value)
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()  # else JAX goes on as it began


def _put(self, key: str, value: bytes) -> None:
    """Store in one step: programs run side by side, and some are killed in the middle."""
    path = self.path / f"{key}.{os.getpid()}"
    path.write_bytes(value)
    path.replace(self.path / f"{key}-cache")
