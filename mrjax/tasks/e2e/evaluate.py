"""Metrics of reconstructed magnitudes over held-out slices: those of the variational network."""

from mrjax.tasks.varnet.evaluate import METRICS, table

__all__ = ["METRICS", "table"]
