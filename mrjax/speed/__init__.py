"""The time of one training step, in JAX and in PyTorch, on the present device.

A step is timed as a run executes it, digests included, on a batch of noise that is already on the
device. Every variant (framework, number type, level) has a process of its own, because XLA's flags
and a device's peak memory belong to a process, and because a variant that does not fit into memory
must not end the others.
"""
