"""Networks, written once against :class:`mrjax.numerics.arithmetic.Arithmetic`."""
