"""How long one training step takes, in JAX and in PyTorch, on whatever device there is.

A step is timed as a run executes it, digests included, on a batch of noise that is on the device
already. Every variant (framework, number type, level) has a process of its own, because XLA's
flags and a device's peak of memory belong to a process, and because what does not fit must not
take the others along.
"""
