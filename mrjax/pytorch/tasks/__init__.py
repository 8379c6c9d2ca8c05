"""The tasks in PyTorch: one module each, with the name of its task."""
