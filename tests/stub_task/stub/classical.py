"""What one would guess."""


def reconstruct(x):
    return 2 * x
