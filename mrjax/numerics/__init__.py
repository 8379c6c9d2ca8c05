"""The arithmetic of networks, losses and optimisers, and digests of computed tensors."""
