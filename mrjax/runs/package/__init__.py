"""The format of packages: what a package holds, and how it is read without trusting its maker.

A package is a run folder cut down to what a stranger needs; `mrjax/sharing/README.md` lists its
files. ``layout`` names them, ``folder`` opens them, ``tensors`` and ``content`` understand them.
"""

from mrjax.runs.package.content import Content, is_package, read
from mrjax.runs.package.layout import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Content", "is_package", "read"]
