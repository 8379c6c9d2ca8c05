"""Python runs this first where tests/compiled is on the path: programs compile as in quickly.py.

The settings are changed as soon as the program has imported jax.
"""

import importlib.abc
import importlib.machinery
import os
import sys

import quickly


class _Loader(importlib.abc.Loader):
    """Loads jax, then changes its settings."""

    def __init__(self, loader: importlib.abc.Loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        quickly.apply(module)


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


if quickly.FOLDER in os.environ:
    sys.meta_path.insert(0, _Finder())
