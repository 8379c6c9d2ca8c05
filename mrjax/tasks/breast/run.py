"""A breast run: the network in JAX, and how it is applied to each held-out patient of a fold."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data.breast_slices import enlarged, images
from mrjax.tasks.breast import classical, model
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.inputs import Inputs
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.train import infer


class Job(SubjectJob[Config, Inputs]):
    """Apply a network from an image (1, row, column, 3) to the probability of breast."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """The tuned threshold, as JSON."""
        return self.inputs.constants()

    def shape(self, one: DcePatient) -> Hashable:
        """Return the shape of the dynamic series."""
        return one.signal.shape

    def output(self, one: DcePatient, apply: Apply) -> np.ndarray:
        """Return the probability of breast [x y z] of a patient, slice by slice, float32."""
        seen, multiple = images(one, self.config.shrink), self.config.multiple
        planes = [infer.whole(apply, seen[:, :, z], multiple) for z in range(seen.shape[2])]
        small = np.stack(planes, axis=2).astype(np.float32)
        return enlarged(small, one.signal.shape[:3], self.config.shrink)

    def others(self, one: DcePatient) -> Outputs:
        """Return the mask [x y z] of a patient by the tuned threshold."""
        return {"threshold": classical.segment(one, self.inputs.threshold, self.config.shrink)}


def engine(devices: Sequence[Any], built: model.Model, inputs: Inputs) -> JaxEngine:
    """Return the network in JAX."""
    predict = built.predictor()
    learning = Learning(built.loss_function(), built.optimizer)
    return JaxEngine(
        devices=devices,
        arithmetic=built.arithmetic,
        state=built.initial_state(inputs.initial),
        learning=learning if inputs.train else None,
        predictor=lambda state, image: predict(state.params, state.batch_stats, jnp.asarray(image)),
    )
