"""The files of a run: PNG figures for people, HDF5 images for programs."""

from mrjax.tasks.varnet.outputs import write

__all__ = ["write"]
