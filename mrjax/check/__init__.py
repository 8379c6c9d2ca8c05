"""A check of a machine in a few minutes: published bits, repetition, speed.

There are three sections, the most valuable first. *digests*: do the order-free trainings and
predictions of every network have the bits that other machines gave? *repeat*: does the same
command give the same network twice, under each way of choosing algorithms? *speed*: how long does
a training step take in JAX and in PyTorch?

This package reaches trainings by command lines and run folders only, and imports no JAX. So an
error in one part of a section affects this part only, and every result is on disk at once.
"""
