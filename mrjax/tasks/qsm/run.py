"""A whole QSM run: subjects, network, training, held-out evaluation, records."""

import jax.numpy as jnp
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.backend import Backend
from mrjax.data import pipeline
from mrjax.runs.folder import RunFolder
from mrjax.tasks import frame
from mrjax.tasks.qsm import baselines, evaluate, evidence, model, outputs
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs, prepare
from mrjax.train import infer
from mrjax.train.step import State

Maps = list[dict[str, np.ndarray]]


def run(config: Config, backend: Backend, flags_text: str) -> int:
    """Train, evaluate and record one run, or go on with it: see :func:`mrjax.tasks.frame.run`."""
    return frame.run("qsm", config, backend, flags_text, lambda: job(config, backend.platform))


def job(config: Config, platform: str) -> frame.Job:
    """Return the work of one run, its inputs loaded and checked.

    Args:
        config: checked configuration.
        platform: ``cpu`` or ``gpu``.

    Returns:
        What the frame executes.

    Raises:
        UserError: for subjects, patches or a network that cannot be used.
    """
    built = model.build(config, platform)
    inputs = prepare(config, built)
    return frame.Job(
        digests=evidence.of_inputs(config, inputs),
        constants=inputs.constants.content(),
        state=built.initial_state(inputs.initial),
        training=_training(config, built, inputs),
        infer=lambda state: _reconstruct(built, inputs, state),
        judge=lambda folder, maps: _judge(folder, inputs, maps),
    )


def _training(config: Config, built: model.Model, inputs: Inputs) -> frame.Training | None:
    patches = inputs.patches
    if patches is None:
        return None
    seed = config.seed_for("order")
    return frame.Training(
        loss=built.loss_function(inputs.constants.normalisation, inputs.train[0]),
        optimizer=built.optimizer,
        batches=lambda step: pipeline.batch(patches, seed, step, config.batch_size),
    )


def _judge(folder: RunFolder, inputs: Inputs, maps: Maps) -> frame.Judged:
    table = evaluate.table(maps, inputs.test)
    outputs.write(folder, inputs.test, maps)
    return frame.Judged(
        # Subjects without a reference get maps and a digest, but no row in the tables.
        subjects=[s.name for s in inputs.test if s.chi is not None or not table],
        table=table,
        predictions={s.name: m["network"] for s, m in zip(inputs.test, maps, strict=True)},
    )


def _reconstruct(built: model.Model, inputs: Inputs, state: State) -> Maps:
    """Maps [ppm] of every held-out subject by every method."""
    predict = built.predictor(inputs.constants.normalisation)

    def apply(field: np.ndarray) -> np.ndarray:
        return np.asarray(predict(state.params, state.batch_stats, jnp.asarray(field)))

    def network_map(subject: QsmSubject) -> np.ndarray:
        chi = infer.whole(apply, subject.field[..., None], built.config.multiple)
        return np.where(subject.mask, chi, 0).astype(np.float32)

    tuned = inputs.constants.tuned
    return [{"network": network_map(s)} | baselines.reconstruct(s, tuned) for s in inputs.test]
