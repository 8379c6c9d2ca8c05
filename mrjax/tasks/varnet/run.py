"""A VarNet run: the network in JAX, and what is done with each held-out slice."""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.runs.folder import RunFolder
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.frame import Judged
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.tasks.varnet import classical, evaluate, model, outputs
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.inputs import Inputs


class Job(SubjectJob[Config, Inputs]):
    """`kspace`, `maps` (1, coil, row, column), `mask` (1, column) to an image (1, row, column)."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """Parameters of CG-SENSE, as JSON."""
        return {"tuned": dataclasses.asdict(self.inputs.tuned)}

    @property
    def held_out(self) -> Sequence[classical.Acquisition]:
        """Slices that the network has not seen, as the scanner would have given them."""
        return self.inputs.acquired

    def shape(self, one: classical.Acquisition) -> Hashable:
        """Shape of k-space."""
        return np.shape(one["kspace"])

    def output(self, one: classical.Acquisition, apply: Apply) -> np.ndarray:
        """The network's complex image [row column] of a slice."""
        batch = {k: np.asarray(one[k])[None] for k in ("kspace", "maps", "mask")}
        return apply(batch)[0].astype(np.complex64)

    def others(self, one: classical.Acquisition) -> Outputs:
        """The zero-filled image and CG-SENSE's of a slice."""
        return classical.reconstruct(one, self.inputs.tuned)

    def judge(
        self, folder: RunFolder, networks: Sequence[np.ndarray], others: Sequence[Outputs]
    ) -> Judged:
        """Compare all images with the references, and write them."""
        slices = self.inputs.test
        images = [{"network": n, **more} for n, more in zip(networks, others, strict=True)]
        table = evaluate.table(images, slices)
        outputs.write(folder, slices, images)
        return Judged(
            # Slices without a reference get images and a digest, but no row in the tables.
            subjects=[s.name for s in slices if s.reference is not None or not table],
            table=table,
            predictions={s.name: m["network"] for s, m in zip(slices, images, strict=True)},
        )


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
