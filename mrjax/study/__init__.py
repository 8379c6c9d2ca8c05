"""Studies: which source of variation changes a result, by how much, and is it more than chance.

A study talks to training by command lines and run folders only: nothing here imports jax or torch.

For notebooks and scripts::

    from mrjax import study

    found = study.load("studies/oh2022_qsm")      # or study.load_roots([folder, ...])
    table = study.frame(found)                    # a pandas DataFrame, as results.csv
    effects = study.analyse(found).effects        # every comparison, mrjax.study.statistics
    study.write_report("report", found)           # figures, tables and a page

    from mrjax.study import compare

    sides = compare.load("jax_runs", "torch_runs")  # two sets of runs, matched by name
    compare.write("comparison", sides)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrjax.study.gather.csvfiles import frame
    from mrjax.study.gather.loading import load
    from mrjax.study.gather.unplanned import load_roots
    from mrjax.study.report.analysis import analyse
    from mrjax.study.report.build import write as write_report

__all__ = ["analyse", "frame", "load", "load_roots", "write_report"]

_HOMES = {
    "analyse": ("report.analysis", "analyse"),
    "frame": ("gather.csvfiles", "frame"),
    "load": ("gather.loading", "load"),
    "load_roots": ("gather.unplanned", "load_roots"),
    "write_report": ("report.build", "write"),
}


def __getattr__(name: str) -> Any:
    """Import a function when it is asked for: a plan needs neither scipy nor matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
