"""A breast run: the network in JAX, and what is done with each held-out patient of one fold."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data.breast_slices import enlarged, images
from mrjax.runs.folder import RunFolder
from mrjax.tasks.breast import classical, evaluate, model, outputs
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.evaluate import Segmented
from mrjax.tasks.breast.inputs import Inputs
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.frame import Judged
from mrjax.tasks.job import Apply, SubjectJob
from mrjax.train import infer


class Job(SubjectJob[Config, Inputs]):
    """Image (1, row, column, 3) to the probability of breast (1, row, column, 1)."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """The tuned threshold, as JSON."""
        return self.inputs.constants()

    def shape(self, one: DcePatient) -> Hashable:
        """Shape of the dynamic series."""
        return one.signal.shape

    def output(self, one: DcePatient, apply: Apply) -> np.ndarray:
        """Probability of breast [x y z] of a patient, see `probability`."""
        return probability(self.config, one, apply)

    def others(self, one: DcePatient) -> np.ndarray:
        """Mask [x y z] by the tuned threshold."""
        return classical.segment(one, self.inputs.threshold, self.config.shrink)

    def judge(
        self, folder: RunFolder, networks: Sequence[np.ndarray], others: Sequence[np.ndarray]
    ) -> Judged:
        """Compare all masks with the references, and write them."""
        patients = self.held_out
        found = [Segmented.of(p, mask) for p, mask in zip(networks, others, strict=True)]
        table = evaluate.table(found, patients)
        for patient, segmented in zip(patients, found, strict=True):
            outputs.write(folder, patient, segmented)
        return Judged(
            # Patients without a reference get masks and a digest, but no row in the tables.
            subjects=[p.name for p in patients if p.mask is not None or not table],
            table=table,
            predictions={p.name: s.probability for p, s in zip(patients, found, strict=True)},
        )


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


def probability(config: Config, patient: DcePatient, predict: infer.Network) -> np.ndarray:
    """Apply the network to every slice of a patient.

    Args:
        config: of the run.
        patient: held out.
        predict: of the trained network, see `job`.

    Returns:
        Probability of breast [x y z], float32.
    """
    seen = images(patient, config.shrink)
    planes = [infer.whole(predict, seen[:, :, z], config.multiple) for z in range(seen.shape[2])]
    small = np.stack(planes, axis=2).astype(np.float32)
    return enlarged(small, patient.signal.shape[:3], config.shrink)
