"""mrjax: measure, explain and remove irreproducibility in deep-learning MR reconstruction.

Importing this package imports no JAX, because the command line must set XLA's flags first.
"""

__version__ = "0.1.0"
