"""A QSM run: the network in JAX, and how it is applied to each held-out brain."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.regrid import Passage
from mrjax.tasks.domain import kept
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.tasks.qsm import classical, domain, model
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs
from mrjax.train import infer, slabs
from mrjax.train.step import State


class Job(SubjectJob[Config, Inputs]):
    """Apply a network from local field [ppm] (1, x, y, z, 1) to susceptibility [ppm]."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """Normalisation, tuned classical methods and domain, as JSON."""
        return self.inputs.constants.content() | kept(self.inputs.domain)

    def shape(self, one: QsmSubject) -> Hashable:
        """Return the shape of the volume that the network gets."""
        way = self._passage(one)
        return one.field.shape if way is None else way.shape

    def output(self, one: QsmSubject, apply: Apply) -> np.ndarray:
        """Return the network's map [ppm] of a brain, zero outside its mask."""
        way = self._passage(one)
        if way is None:
            chi = infer.whole(apply, one.field[..., None], self.config.multiple)
        else:
            inside = way.mask_there(one.mask)
            field = np.where(inside, way.there(one.field, one.mask), 0).astype(np.float32)
            chi = infer.whole(apply, field[..., None], self.config.multiple)
            chi = way.back(chi, inside)
        return np.where(one.mask, chi, 0).astype(np.float32)

    def others(self, one: QsmSubject) -> Outputs:
        """Return the maps [ppm] of a brain by TKD and L2."""
        return classical.reconstruct(one, self.inputs.constants.tuned)

    def _passage(self, one: QsmSubject) -> Passage | None:
        return domain.passage(self.config, self.inputs.domain, one)


def engine(
    devices: Sequence[Any], built: model.Model, inputs: Inputs, planes: int | None = None
) -> JaxEngine:
    """Return the network in JAX.

    Args:
        devices: the devices that share each batch.
        built: the model.
        inputs: subjects, constants and weights.
        planes: of a held-out volume that are computed at a time; 0: all; None: by its size.
    """
    normalisation = inputs.constants.normalisation
    predict = built.predictor(normalisation)

    def predictor(state: State, field: np.ndarray) -> Any:
        some = slabs.planes_for(field.shape[1:4], built.config.width, planes)
        if not some:
            return predict(state.params, state.batch_stats, jnp.asarray(field))
        own = next(d for d in devices if d.process_index == jax.process_index())
        by_planes = built.predictor_by_planes(normalisation, some, own)
        return by_planes(state.params, state.batch_stats, field)

    learning = None
    if inputs.train:
        loss = built.loss_function(normalisation, inputs.train[0])
        learning = Learning(loss, built.optimizer)
    return JaxEngine(
        devices=devices,
        arithmetic=built.arithmetic,
        state=built.initial_state(inputs.initial),
        learning=learning,
        predictor=predictor,
    )
