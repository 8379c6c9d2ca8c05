"""The tasks in PyTorch: one module for each, called after it."""
