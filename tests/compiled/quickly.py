"""How programs under test compile: with little optimisation, into one store for all of them.

A run outside studies does not use JAX's persistent compilation cache. Tests start the same small
programs a hundred times, and most of their time would go into compiling these again. So the cache
is switched on behind the run's back, and the run records that it was. Most optimisations are left
out, because these programs are compiled for longer than they run.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping

FOLDER = "MRJAX_TEST_COMPILED"
"""Environment variable that names the store, a folder that all processes of a test run share."""

NO_FIGURES = "MRJAX_TEST_NO_FIGURES"
"""Environment variable whose presence makes figures empty files."""

LITTLE = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_parallel_codegen_split_count": 1,
}
OLD_EMITTER = {"xla_cpu_use_fusion_emitters": False}
"""With both, the gradient of two convolutions in 3-D compiles in 0.11 CPU seconds, not in 0.74."""

_used: list[bool] = []
"""Not empty if this process holds programs that were compiled with little optimisation."""


def empty(figure, path, **options: object) -> None:
    """In place of ``Figure.savefig``."""
    path.touch()


def options(jax) -> dict[str, object]:
    """How little XLA's compiler for CPUs is to do, as options of a compilation."""
    return LITTLE | (OLD_EMITTER if jax.__version_info__ < (0, 11) else {})


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
    from jax._src import compiler, lru_cache

    lru_cache.LRUCache.put = _put
    if not hasattr(compiler.get_compile_options, "__wrapped__"):
        compiler.get_compile_options = _with_options(jax, compiler.get_compile_options)


def _with_options(jax, ordinary: Callable) -> Callable:
    """Add `options` as long as JAX is to leave most optimisations out."""
    quick = options(jax)

    @functools.wraps(ordinary)
    def wrapped(*arguments, env_options_overrides=None, **more):
        if jax.config.values["jax_disable_most_optimizations"]:
            env_options_overrides = quick | (env_options_overrides or {})
        return ordinary(*arguments, env_options_overrides=env_options_overrides, **more)

    return wrapped


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
