"""A VarNet run: the network in JAX, and how it is applied to each held-out slice."""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.tasks.domain import kept
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.tasks.varnet import classical, model
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.inputs import Inputs


class Job(SubjectJob[Config, Inputs]):
    """Apply a network from `kspace`, `maps` (1, coil, row, column) and `mask` to an image."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """Parameters of CG-SENSE and domain, as JSON."""
        return {"tuned": dataclasses.asdict(self.inputs.tuned)} | kept(self.inputs.domain)

    @property
    def held_out(self) -> Sequence[classical.Acquisition]:
        """Held-out slices, undersampled as by the scanner."""
        return self.inputs.acquired

    def shape(self, one: classical.Acquisition) -> Hashable:
        """Return the shape of k-space."""
        return np.shape(one["kspace"])

    def output(self, one: classical.Acquisition, apply: Apply) -> np.ndarray:
        """Return the network's complex image [row column] of a slice."""
        batch = {k: np.asarray(one[k])[None] for k in ("kspace", "maps", "mask")}
        return apply(batch)[0].astype(np.complex64)

    def others(self, one: classical.Acquisition) -> Outputs:
        """Return the zero-filled and the CG-SENSE image of a slice."""
        return classical.reconstruct(one, self.inputs.tuned)


def engine(devices: Sequence[Any], built: model.Model, inputs: Inputs) -> JaxEngine:
    """Return the network in JAX."""
    predict = built.predictor()
    loss = built.loss_function()
    learning = Learning(loss, built.optimizer, built.project)
    return JaxEngine(
        devices=devices,
        arithmetic=built.arithmetic,
        state=built.initial_state(inputs.initial),
        learning=learning if inputs.train else None,
        predictor=lambda state, acquired: predict(state.params, acquired),
    )
