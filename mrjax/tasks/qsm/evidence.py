"""The digests of what goes into a QSM run."""

from typing import Any

import numpy as np

from mrjax.runs import digests
from mrjax.tasks import evidence
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs


def of_inputs(config: Config, inputs: Inputs) -> dict[str, str]:
    """Digests of `init`, `order` (of all patches) and `data` (all subjects)."""
    examples = len(inputs.patches) if inputs.patches is not None else 0
    return evidence.of_inputs(
        config, examples, inputs.initial.params, digests.content(_data(inputs))
    )


def _data(inputs: Inputs) -> dict[str, np.ndarray]:
    found: dict[str, Any] = {}
    for split, subjects in (("train", inputs.train), ("test", inputs.test)):
        for s in subjects:
            found |= {f"{split}/{s.name}/field": s.field, f"{split}/{s.name}/mask": s.mask}
            if s.chi is not None:
                found[f"{split}/{s.name}/chi"] = s.chi
    return found
