"""The digests of a QSM run: what went in, and what came out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mrjax.data import pipeline
from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs
from mrjax.train.step import State


def of_inputs(config: Config, inputs: Inputs) -> dict[str, str]:
    """Digest what determines a run.

    Args:
        config: the configuration.
        inputs: subjects and initial weights.

    Returns:
        sha256 of `init` (trainables before the first step), `order` (the permutation of all
        patches for every epoch begun) and `data` (all subjects).
    """
    return {
        "init": digests.content(inputs.initial.params),
        "order": digests.content(_order(config, inputs)),
        "data": digests.content(_data(inputs)),
    }


def of_outputs(state: State, predictions: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Digest what a run produced.

    Args:
        state: after training.
        predictions: subject name to the network's map [ppm].

    Returns:
        sha256 of `params` (with batch statistics) and `predictions`.
    """
    kept = {"params": state.params, "batch_stats": state.batch_stats}
    final = {k: np.asarray(v) for k, v in named_leaves(kept).items()}
    return {"params": digests.content(final), "predictions": digests.content(predictions)}


def _order(config: Config, inputs: Inputs) -> dict[str, np.ndarray]:
    if inputs.patches is None:
        return {}
    patches = len(inputs.patches)
    epochs = -(-config.steps // (patches // config.batch_size))
    seed = config.seed_for("order")
    return {f"epoch{e:06d}": pipeline.order(seed, e, patches) for e in range(epochs)}


def _data(inputs: Inputs) -> dict[str, np.ndarray]:
    found: dict[str, Any] = {}
    for split, subjects in (("train", inputs.train), ("test", inputs.test)):
        for s in subjects:
            found |= {f"{split}/{s.name}/field": s.field, f"{split}/{s.name}/mask": s.mask}
            if s.chi is not None:
                found[f"{split}/{s.name}/chi"] = s.chi
    return found
