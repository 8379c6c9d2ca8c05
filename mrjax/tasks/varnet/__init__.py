"""Accelerated parallel imaging with the variational network."""
