"""Arithmetic of networks, losses and optimizers, and digests of what it computes."""
