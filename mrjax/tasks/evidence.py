"""The digests every task leaves in the same way: order of the examples, and what came out."""

from collections.abc import Mapping

import numpy as np

from mrjax.data import pipeline
from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests
from mrjax.train.step import State


def of_order(seed: int, examples: int, batch_size: int, steps: int) -> str:
    """Digest the permutation of all examples for every epoch begun.

    Args:
        seed: seed of the stream `order`.
        examples: number of training examples; 0 where nothing is trained.
        batch_size: examples in a step.
        steps: of the whole training.

    Returns:
        sha256.
    """
    epochs = -(-steps // (examples // batch_size)) if examples else 0
    return digests.content(
        {f"epoch{e:06d}": pipeline.order(seed, e, examples) for e in range(epochs)}
    )


def of_outputs(state: State, predictions: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Digest what a run produced.

    Args:
        state: after training.
        predictions: name to the network's output.

    Returns:
        sha256 of `params` (with batch statistics) and `predictions`.
    """
    kept = {"params": state.params, "batch_stats": state.batch_stats}
    final = {k: np.asarray(v) for k, v in named_leaves(kept).items()}
    return {"params": digests.content(final), "predictions": digests.content(predictions)}
