"""The networks in plain PyTorch, as they are copied beside exported weights."""
