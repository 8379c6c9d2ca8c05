"""What a machine shows in a few minutes: the published bits, repetition, speed.

Three sections, in the order of what they are worth. *digests*: do the order-free trainings and
predictions of every network have the bits that other machines gave? *repeat*: does the same
command give the same network twice, under each way of choosing algorithms? *speed*: how long does
a training step take in JAX and in PyTorch?

Talks to training by command lines and run folders only, and imports no JAX: whatever happens in a
part of a section costs that part only, and every result is on disk as soon as it is known.
"""
