"""One package per reconstruction task: its configuration and how its parts are put together.

``config`` imports no jax, because the command line must be able to set XLA's flags first.
"""
