"""Python runs this first where tests/compiled is on the path: what programs under test leave out.

Programs compile as in quickly.py, and figures, which take longer to draw than the small networks
to train, are empty files; each where the environment says so. A module is changed as soon as the
program has imported it.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable

import quickly


class _Loader(importlib.abc.Loader):
    """Loads a module, then changes it."""

    def __init__(self, loader: importlib.abc.Loader, change: Callable):
        self._loader, self._change = loader, change

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, once."""

    def __init__(self, name: str, change: Callable):
        self._name, self._change = name, change

    def find_spec(self, name, path, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._change)
        return spec


def _without_figures(module) -> None:
    module.Figure.savefig = quickly.empty


if quickly.FOLDER in os.environ:
    if "MRJAX_TEST_STORE" not in os.environ:  # the store of all tests holds more than a study's
        os.environ.pop("MRJAX_COMPILED", None)
    sys.meta_path.insert(0, _Finder("jax", quickly.apply))
if quickly.NO_FIGURES in os.environ:
    sys.meta_path.insert(0, _Finder("matplotlib.figure", _without_figures))
