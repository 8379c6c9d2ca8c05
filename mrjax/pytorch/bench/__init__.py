"""Training steps of ours and of PyTorch, timed in turns on one CPU."""
