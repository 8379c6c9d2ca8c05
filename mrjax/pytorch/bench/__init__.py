"""Training steps of mrjax and of eager PyTorch, timed in turns on one CPU."""
