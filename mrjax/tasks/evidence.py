"""The digests every task leaves in the same way: order of the examples, and what came out."""

from collections.abc import Mapping

import numpy as np

from mrjax.config import RunConfig
from mrjax.data import pipeline
from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests
from mrjax.train.step import State


def of_inputs(
    config: RunConfig, examples: int, params: Mapping[str, np.ndarray], data: str
) -> dict[str, str]:
    """Digest what determines a run.

    Args:
        config: gives steps, batch size and the seed of the stream `order`.
        examples: number of training examples; 0 where nothing is trained.
        params: trainables before the first step, by leaf path.
        data: digest of all training and held-out data.

    Returns:
        sha256 of `init`, `order` (the permutation of all examples for every epoch begun), `data`.
    """
    epochs = -(-config.steps // (examples // config.batch_size)) if examples else 0
    seed = config.seed_for("order")
    orders = {f"epoch{e:06d}": pipeline.order(seed, e, examples) for e in range(epochs)}
    return {"init": digests.content(params), "order": digests.content(orders), "data": data}


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
