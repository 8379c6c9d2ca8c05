"""Whether the files of a finished run are still those it was made from.

A finished run is not repeated, so without this comparison its command would return old results
after a file was corrected. Only the files are read: nothing is tuned, compiled or drawn. The
digests cover the arrays that networks and metrics take, not where their voxels lie. This module
imports no JAX, because a cross-validation compares its files in a process that computes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import digests, result

UNCHANGED = (
    "; the values of its inputs are unchanged; voxel sizes, directions and segmentations are not "
    "compared"
)
"""What is said where the digests of the data are equal, which cover no more than the values."""


def of_subjects(
    train: Sequence[Any],
    test: Sequence[Any],
    arrays: Callable[[Any], Mapping[str, np.ndarray | None]],
) -> str:
    """Return the digest of all subjects.

    Args:
        train: training subjects.
        test: held-out subjects.
        arrays: the arrays of a subject by kind; None for an array that the subject lacks.

    Returns:
        sha256 of the arrays, which are named ``train/<subject>/<kind>`` and so on.
    """
    named: dict[str, np.ndarray] = {}
    for split, subjects in (("train", train), ("test", test)):
        for one in subjects:
            kept = {kind: array for kind, array in arrays(one).items() if array is not None}
            named |= {f"{split}/{one.name}/{kind}": array for kind, array in kept.items()}
    return digests.content(named)


def said(path: Path, config: RunConfig, now: Callable[[], Mapping[str, str]]) -> str:
    """Say whether the inputs of a finished run are still those it was made from.

    Synthetic inputs follow from the configuration, which was compared before.

    Args:
        path: folder of the run.
        config: its configuration.
        now: reads the files; returns the digest of the data for each run that was made from them,
            by its path below `path` ("" for the run itself).

    Returns:
        What to add to the line that says that the run is finished; "" for synthetic inputs.

    Raises:
        UserError: the inputs differ, and differences are not allowed.
    """
    if config.dataset == "synthetic":
        return ""
    try:
        found = now()
    except UserError as error:
        return f"; its inputs could not be compared: {error}"
    recorded = {name: result.read(path / name)["digests"]["data"] for name in found}
    changed = [name for name in found if found[name] != recorded[name]]
    if not changed:
        return UNCHANGED
    first = changed[0]
    differ = (
        f"the inputs of the finished run {path / first} differ from those in "
        f"--data_dir={config.data_dir} (digest of data {recorded[first][:12]}, now "
        f"{found[first][:12]})"
    )
    if config.allow_mixed:
        return f"; {differ}"
    raise UserError(
        f"{differ}; expected the same; to run with the present ones give another --workdir or "
        "remove that folder, to keep the result restore the files"
    )
