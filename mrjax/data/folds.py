"""Patient-wise folds of a cross-validation, fixed by a seed."""

import numpy as np
from jaxtyping import Int

from mrjax import keys
from mrjax.errors import UserError
from mrjax.numerics import host


def folds(seed_fold: int, patients: int, count: int) -> list[Int[np.ndarray, " n"]]:
    """Divide patients into folds whose sizes differ by at most one.

    Patients are put in the order of random 32-bit words and dealt out like cards: a pure function
    of the arguments, the same on any machine.

    Args:
        seed_fold: seed of the stream `fold`.
        patients: how many.
        count: number of folds, at least 1.

    Returns:
        For each fold the indices of its patients, rising; every patient is in one fold.

    Raises:
        UserError: fewer patients than folds.
    """
    if not 1 <= count <= patients:
        raise UserError(
            f"{patients} patients cannot make {count} folds; expected at least one patient in "
            "each; lower --folds or add patients"
        )
    order = np.argsort(host.bits(keys.stream(seed_fold, "fold"), (patients,)), kind="stable")
    return [np.sort(order[k::count]) for k in range(count)]
