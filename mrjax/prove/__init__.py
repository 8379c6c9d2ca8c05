"""The proof that order-free arithmetic gives the same bits: one training under many conditions.

A network is trained and applied under a covering set of conditions, which together contain every
pair of settings: instruction set, threads, devices, form of convolution, numpy's and BLAS's
kernels, interpreters with other versions of all packages, and a GPU where there is one. Under each
condition the network is trained twice, in native and in reproducible arithmetic. A table compares
the digests of the results: the native column must vary, or the conditions show nothing, and the
reproducible column must not.

This package reaches trainings by command lines and run folders only, and imports no JAX.
"""
