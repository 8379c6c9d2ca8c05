"""A breast run: the network in JAX, and how it is applied to each held-out patient of a fold."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data.breast_slices import enlarged, images
from mrjax.data.regrid import LINEAR, Passage
from mrjax.tasks.breast import classical, domain, model
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.inputs import Inputs
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.train import infer


class Job(SubjectJob[Config, Inputs]):
    """Apply a network from an image (1, row, column, 3) to the probability of breast."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """The tuned threshold and the domain, as JSON."""
        return self.inputs.constants()

    def shape(self, one: DcePatient) -> Hashable:
        """Return the shape of the volume that the network gets."""
        way = self._passage(one)
        return one.signal.shape if way is None else way.shape

    def output(self, one: DcePatient, apply: Apply) -> np.ndarray:
        """Return the probability of breast [x y z] of a patient, slice by slice, float32."""
        way = self._passage(one)
        if way is None:
            small = self._by_slice(images(one, self.config.shrink), apply)
            return enlarged(small, one.signal.shape[:3], self.config.shrink)
        seen = [way.there(channel) for channel in np.moveaxis(images(one), -1, 0)]
        found = self._by_slice(np.stack(seen, axis=-1).astype(np.float32), apply)
        return way.back(found, order=LINEAR).astype(np.float32)

    def others(self, one: DcePatient) -> Outputs:
        """Return the mask [x y z] of a patient by the tuned threshold."""
        return {"threshold": classical.segment(one, self.inputs.threshold, self.config.shrink)}

    def _by_slice(self, seen: np.ndarray, apply: Apply) -> np.ndarray:
        """Return the probability [x y z] of images [x y z 3]."""
        planes = [
            infer.whole(apply, seen[:, :, z], self.config.multiple) for z in range(seen.shape[2])
        ]
        return np.stack(planes, axis=2).astype(np.float32)

    def _passage(self, one: DcePatient) -> Passage | None:
        return domain.passage(self.config, self.inputs.domain, one)


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
