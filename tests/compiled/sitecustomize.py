"""Python runs this first where tests/compiled is on the path: programs share what they compiled.

A run never uses JAX's persistent compilation cache, because kernels of an earlier process would
be a source of variation of their own. Tests start the same small programs a hundred times; most
of their time would go into compiling them again. So the cache is switched on behind the run's
back, as soon as it has imported jax, and the run records that it was.
"""

import importlib.abc
import importlib.machinery
import os
import sys

FOLDER = "MRJAX_TEST_COMPILED"


class _Loader(importlib.abc.Loader):
    """Loads jax, then points it to the folder."""

    def __init__(self, loader: importlib.abc.Loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        for name, value in {
            "enable_compilation_cache": True,
            "compilation_cache_dir": os.environ[FOLDER],
            "persistent_cache_min_compile_time_secs": 0.0,
            "persistent_cache_min_entry_size_bytes": -1,
        }.items():
            module.config.update(f"jax_{name}", value)
        from jax._src import lru_cache

        lru_cache.LRUCache.put = _put


def _put(self, key: str, value: bytes) -> None:
    """Store in one step: programs run side by side, and some are killed in the middle."""
    path = self.path / f"{key}.{os.getpid()}"
    path.write_bytes(value)
    path.replace(self.path / f"{key}-cache")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds jax, once."""

    def find_spec(self, name, path, target=None):
        if name != "jax":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


if FOLDER in os.environ:
    sys.meta_path.insert(0, _Finder())
