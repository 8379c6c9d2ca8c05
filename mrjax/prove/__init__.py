"""The proof that order-free arithmetic gives the same bits: one training under many conditions.

A network is trained and applied under a covering set of conditions, which between them hold every
pair of settings: instruction set, threads, devices, form of convolution, numpy's and BLAS's
kernels, interpreters with other versions of everything, a GPU where there is one. Each condition
is taken twice, in XLA's own arithmetic and in the reproducible one, and the digests of what came
out are laid side by side: the first column must vary, or the conditions show nothing, and the
second must not.

Talks to training by command lines and run folders only. Imports no jax.
"""
