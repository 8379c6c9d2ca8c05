"""Bit-identity first: which runs hold the same numbers, and from where on they do not."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Identity:
    """How the digests of two arms agree; counts, no test."""

    n_a: int
    n_b: int
    distinct_a: int
    """Different digests among the runs of the first arm; 1: every run gave the same bits."""
    distinct_b: int
    shared: int
    """Different digests that occur in both arms."""
    pairs: int | None
    """Runs compared place by place; None where the arms differ in length."""
    pairs_equal: int | None
    identical: bool
    """Every run of both arms gave the same bits."""
    unit: str = "run"


def identity(digests_a: Sequence[str], digests_b: Sequence[str]) -> Identity:
    """Count what two arms have in common, bit for bit; this comes before any test.

    Args:
        digests_a: a content digest for each run, in order of replicates.
        digests_b: those of the other arm, replicate by replicate.

    Raises:
        ValueError: an arm without runs.
    """
    if not digests_a or not digests_b:
        raise ValueError("expected at least one digest in each arm")
    a, b = set(digests_a), set(digests_b)
    same_length = len(digests_a) == len(digests_b)
    equal = sum(x == y for x, y in zip(digests_a, digests_b, strict=False))
    return Identity(
        n_a=len(digests_a),
        n_b=len(digests_b),
        distinct_a=len(a),
        distinct_b=len(b),
        shared=len(a & b),
        pairs=len(digests_a) if same_length else None,
        pairs_equal=equal if same_length else None,
        identical=len(a | b) == 1,
    )
