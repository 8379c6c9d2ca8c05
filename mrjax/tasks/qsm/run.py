"""A QSM run: the network in JAX, and what is done with each held-out brain."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.runs.folder import RunFolder
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.frame import Judged
from mrjax.tasks.job import Apply, Outputs, SubjectJob
from mrjax.tasks.qsm import classical, evaluate, model, outputs
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs
from mrjax.train import infer


class Job(SubjectJob[Config, Inputs]):
    """Local field [ppm] (1, x, y, z, 1) to susceptibility [ppm] of the same shape."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """Normalisation and tuned classical methods, as JSON."""
        return self.inputs.constants.content()

    def shape(self, one: QsmSubject) -> Hashable:
        """Shape of the volume."""
        return one.field.shape

    def output(self, one: QsmSubject, apply: Apply) -> np.ndarray:
        """The network's map [ppm] of a brain, zero outside its mask."""
        chi = infer.whole(apply, one.field[..., None], self.config.multiple)
        return np.where(one.mask, chi, 0).astype(np.float32)

    def others(self, one: QsmSubject) -> Outputs:
        """TKD's and L2's maps [ppm] of a brain."""
        return classical.reconstruct(one, self.inputs.constants.tuned)

    def judge(
        self, folder: RunFolder, networks: Sequence[np.ndarray], others: Sequence[Outputs]
    ) -> Judged:
        """Compare all maps with the references, and write them."""
        subjects = self.held_out
        maps = [{"network": n, **more} for n, more in zip(networks, others, strict=True)]
        table = evaluate.table(maps, subjects)
        outputs.write(folder, subjects, maps)
        return Judged(
            # Subjects without a reference get maps and a digest, but no row in the tables.
            subjects=[s.name for s in subjects if s.chi is not None or not table],
            table=table,
            predictions={s.name: m["network"] for s, m in zip(subjects, maps, strict=True)},
        )


def engine(devices: Sequence[Any], built: model.Model, inputs: Inputs) -> JaxEngine:
    """Return the network in JAX."""
    normalisation = inputs.constants.normalisation
    predict = built.predictor(normalisation)
    learning = None
    if inputs.train:
        loss = built.loss_function(normalisation, inputs.train[0])
        learning = Learning(loss, built.optimizer)
    return JaxEngine(
        devices=devices,
        arithmetic=built.arithmetic,
        state=built.initial_state(inputs.initial),
        learning=learning,
        predictor=lambda state, field: predict(state.params, state.batch_stats, jnp.asarray(field)),
    )
