"""A run of the end-to-end VarNet: the network in JAX, and how it is applied to each slice."""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.nets.e2e import cropped
from mrjax.tasks.domain import kept
from mrjax.tasks.e2e import classical, model
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.e2e.inputs import Inputs
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.tasks.multicoil.inputs import Acquisition

Held = tuple[Acquisition, tuple[int, int]]
"""An undersampled slice, and the rows and columns of its image that count."""


class Job(SubjectJob[Config, Inputs]):
    """Apply a network from `kspace` (1, coil, row, column), `mask` and `lines` to a magnitude."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """Parameters of CG-SENSE and domain, as JSON."""
        return {"tuned": dataclasses.asdict(self.inputs.tuned)} | kept(self.inputs.domain)

    @property
    def held_out(self) -> Sequence[Held]:
        """Held-out slices, undersampled as by the scanner."""
        pairs = zip(self.inputs.acquired, self.inputs.test, strict=True)
        return [(seen, one.shown or _size(seen)) for seen, one in pairs]

    def shape(self, one: Held) -> Hashable:
        """Return the shape of k-space."""
        return np.shape(one[0]["kspace"])

    def output(self, one: Held, apply: Apply) -> np.ndarray:
        """Return the network's magnitude [row column] of a slice, cut to the part that counts."""
        seen, shown = one
        batch = {k: np.asarray(seen[k])[None] for k in ("kspace", "mask", "lines")}
        return cropped(apply(batch)[0].astype(np.float32), shown)

    def others(self, one: Held) -> Outputs:
        """Return the zero-filled and the CG-SENSE image of a slice."""
        seen, shown = one
        return classical.reconstruct(seen, self.inputs.tuned, shown)


def _size(seen: Acquisition) -> tuple[int, int]:
    rows, columns = seen["kspace"].shape[1:]
    return rows, columns


def engine(devices: Sequence[Any], built: model.Model, inputs: Inputs) -> JaxEngine:
    """Return the network in JAX."""
    predict = built.predictor()
    return JaxEngine(
        devices=devices,
        arithmetic=built.arithmetic,
        state=built.initial_state(inputs.initial),
        learning=Learning(built.loss_function(), built.optimizer) if inputs.train else None,
        predictor=lambda state, seen: predict(state.params, seen),
    )
