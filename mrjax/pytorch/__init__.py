"""The same networks in PyTorch: the yardstick. Nothing else in the package imports torch."""
