"""Accelerated parallel imaging with the end-to-end variational network."""
