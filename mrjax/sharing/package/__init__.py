"""Packages: a trained network with everything that a stranger needs to use, check and repeat it.

``writing`` makes a package from a run folder: ``source`` says which runs can be packed, ``cleaned``
takes the maker's machine out, ``example`` makes the test input and output, ``card`` writes the page
for readers. `mrjax.runs.package` has the format and reads it.
"""

from mrjax.sharing.package.packed import Package, configuration, read
from mrjax.sharing.package.writing import write

__all__ = ["Package", "configuration", "read", "write"]
