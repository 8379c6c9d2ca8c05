"""What the weights of a public variational network say of its configuration."""

from collections.abc import Mapping

import numpy as np

from mrjax.errors import UserError
from mrjax.tasks import exchange
from mrjax.tasks.varnet.config import Config

Leaves = Mapping[str, np.ndarray]


def describe(leaves: Leaves) -> Config:
    """Return the configuration of a network, which follows from the shapes of its leaves.

    Args:
        leaves: ``stage{i}/kernel`` [window window 2 f], ``stage{i}/rbf`` [f n] and
            ``stage{i}/data_weight``.

    Returns:
        The checked configuration of the paper preset with the network's sizes.

    Raises:
        UserError: filters are not square with an odd edge, or a size is out of range.
    """
    rows, columns, _, width = leaves["stage0/kernel"].shape
    if rows != columns or rows % 2 == 0:
        raise UserError(
            f"the network has filters of {rows} x {columns} pixels; expected squares with an odd "
            "edge; give another network"
        )
    sizes = {
        "width": width,
        "window": rows,
        "nodes": leaves["stage0/rbf"].shape[1],
        "stages": len({name.split("/")[0] for name in leaves}),
    }
    return exchange.configured(Config, sizes)
