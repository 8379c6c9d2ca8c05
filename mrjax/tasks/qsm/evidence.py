"""The digests of what goes into a QSM run."""

from typing import Any

import numpy as np

from mrjax.runs import digests
from mrjax.tasks import evidence
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs


def of_inputs(config: Config, inputs: Inputs) -> dict[str, str]:
    """Digest what determines a run.

    Args:
        config: the configuration.
        inputs: subjects and initial weights.

    Returns:
        sha256 of `init` (trainables before the first step), `order` (the permutation of all
        patches for every epoch begun) and `data` (all subjects).
    """
    examples = len(inputs.patches) if inputs.patches is not None else 0
    seed = config.seed_for("order")
    return {
        "init": digests.content(inputs.initial.params),
        "order": evidence.of_order(seed, examples, config.batch_size, config.steps),
        "data": digests.content(_data(inputs)),
    }


def _data(inputs: Inputs) -> dict[str, np.ndarray]:
    found: dict[str, Any] = {}
    for split, subjects in (("train", inputs.train), ("test", inputs.test)):
        for s in subjects:
            found |= {f"{split}/{s.name}/field": s.field, f"{split}/{s.name}/mask": s.mask}
            if s.chi is not None:
                found[f"{split}/{s.name}/chi"] = s.chi
    return found
