"""Studies: which source of variation changes a result, by how much, and is it more than chance.

A study talks to training by command lines and run folders only: nothing here imports jax or torch.
"""
