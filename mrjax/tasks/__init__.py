"""One package for each reconstruction task, and the parts that all tasks share.

``config`` imports no JAX, because the command line must set XLA's flags first.
"""
