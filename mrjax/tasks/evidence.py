"""The digests of a run's inputs and outputs, which all tasks compute in the same way."""

from collections.abc import Mapping, Sized

import numpy as np

from mrjax.config import RunConfig
from mrjax.data import pipeline
from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests
from mrjax.train.step import State


def of_inputs(
    config: RunConfig, examples: Sized | None, params: Mapping[str, np.ndarray], data: str
) -> dict[str, str]:
    """Return the digests of a run's inputs.

    Args:
        config: configuration, of which steps, batch size and the seed of `order` are used.
        examples: training examples; None where nothing is trained.
        params: trainables before the first step, by leaf path.
        data: digest of all training and held-out data.

    Returns:
        sha256 of `init`, of `order` (the permutations of all examples, one for each epoch that
        begins) and of `data`.
    """
    count = 0 if examples is None else len(examples)
    epochs = -(-config.steps // (count // config.batch_size)) if count else 0
    seed = config.seed_for("order")
    orders = {f"epoch{e:06d}": pipeline.order(seed, e, count) for e in range(epochs)}
    return {"init": digests.content(params), "order": digests.content(orders), "data": data}


def of_outputs(state: State, predictions: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the digests of a run's results.

    Args:
        state: state after training.
        predictions: name -> the network's output.

    Returns:
        sha256 of `params` (with batch statistics) and `predictions`.
    """
    kept = {"params": state.params, "batch_stats": state.batch_stats}
    final = {k: np.asarray(v) for k, v in named_leaves(kept).items()}
    return {"params": digests.content(final), "predictions": digests.content(predictions)}
