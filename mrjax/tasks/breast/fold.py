"""One fold of a breast cross-validation: train, segment the held-out patients, record."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mrjax import metrics
from mrjax.arrays import DcePatient
from mrjax.data.formats.dce_nifti import write_volume
from mrjax.data.slices import enlarged, images
from mrjax.runs.folder import RunFolder
from mrjax.tasks import frame
from mrjax.tasks.breast import model, threshold
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.figures import figure
from mrjax.tasks.breast.inputs import Inputs, digested, prepare
from mrjax.tasks.engine import Engine, JaxEngine, Learning
from mrjax.train import infer

METHODS = ("network", "threshold")


class Segmented(NamedTuple):
    """Masks of one patient.

    Attributes:
        probability: the network's [x y z], float32.
        masks: method to mask [x y z].
    """

    probability: np.ndarray
    masks: dict[str, np.ndarray]


def job(
    config: Config, platform: str, engine_of: Callable[[model.Model, Inputs], Engine]
) -> frame.Job:
    """Return the work of one fold, its inputs loaded and checked.

    Args:
        config: checked configuration.
        platform: ``cpu`` or ``gpu``, where JAX computes.
        engine_of: makes the network in its framework; its input is an image (1, row, column, 3),
            its output the probability of breast (1, row, column, 1).

    Returns:
        What the frame executes.

    Raises:
        UserError: for patients, slices or a network that cannot be used.
    """
    built = model.build(config, platform)
    inputs = prepare(config, built)
    made = engine_of(built, inputs)

    def found(state: Any, patients: Sequence[DcePatient]) -> list[np.ndarray]:
        return [probability(config, p, lambda x: made.predict(state, x)) for p in patients]

    shapes = infer.one_of_each(inputs.test, lambda p: p.signal.shape)
    return frame.Job(
        digests=digested(config, inputs),
        constants=inputs.constants(),
        engine=made,
        batches=frame.batches_of(config, inputs.examples),
        warm_up=lambda state: found(state, shapes),
        infer=lambda state: found(state, inputs.test),
        classical=lambda: [
            threshold.segment(p, inputs.threshold, config.shrink) for p in inputs.test
        ],
        judge=functools.partial(_judge, inputs),
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


def _judge(
    inputs: Inputs, folder: RunFolder, networks: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> frame.Judged:
    found = [
        Segmented(p, {"network": p > 0.5, "threshold": mask})
        for p, mask in zip(networks, others, strict=True)
    ]
    pairs = zip(inputs.test, found, strict=True)
    known = [(s.masks, p.mask) for p, s in pairs if p.mask is not None]
    table = {
        method: {"dice": [metrics.dice(masks[method], truth) for masks, truth in known]}
        for method in METHODS
        if known
    }
    for patient, segmented in zip(inputs.test, found, strict=True):
        _write(folder, patient, segmented)
    return frame.Judged(
        # Patients without a reference get masks and a digest, but no row in the tables.
        subjects=[p.name for p in inputs.test if p.mask is not None or not known],
        table=table,
        predictions={p.name: s.probability for p, s in zip(inputs.test, found, strict=True)},
    )


def _write(folder: RunFolder, patient: DcePatient, segmented: Segmented) -> None:
    """A figure, both masks and the probability of one patient."""
    scores = [
        f"{name} {metrics.dice(mask, patient.mask):.3f}"
        for name, mask in segmented.masks.items()
        if patient.mask is not None
    ]
    title = f"{patient.name}: Dice {', '.join(scores)}" if scores else patient.name
    figure(folder.images / f"{patient.name}.png", patient, segmented.masks, title)
    for method, mask in segmented.masks.items():
        write_volume(folder.predictions / f"{patient.name}_{method}_mask.nii.gz", mask, patient)
    path = folder.predictions / f"{patient.name}_network_probability.nii.gz"
    write_volume(path, segmented.probability, patient)
