"""The report of a study: figures, tables and one page, the same bytes for the same runs."""

from mrjax.study.report.build import write

__all__ = ["write"]
