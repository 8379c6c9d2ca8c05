"""A whole QSM run: subjects, network, training, held-out evaluation, records."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.backend import Backend
from mrjax.runs.folder import RunFolder
from mrjax.tasks import frame
from mrjax.tasks.engine import Engine, JaxEngine, Learning
from mrjax.tasks.qsm import baselines, evaluate, evidence, model, outputs
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs, prepare
from mrjax.train import infer

Maps = list[dict[str, np.ndarray]]


def run(config: Config, backend: Backend, flags_text: str) -> int:
    """Train, evaluate and record one run, or go on with it: see :func:`mrjax.tasks.frame.run`."""
    in_jax = functools.partial(engine, backend.devices)
    prepare = functools.partial(job, config, backend.platform, in_jax)
    return frame.run("qsm", config, backend, flags_text, prepare)


def job(
    config: Config, platform: str, engine_of: Callable[[model.Model, Inputs], Engine]
) -> frame.Job:
    """Return the work of one run, its inputs loaded and checked.

    Args:
        config: checked configuration.
        platform: ``cpu`` or ``gpu``, where JAX computes.
        engine_of: makes the network in its framework; its input is a local field [ppm] (1, x, y,
            z, 1), its output a susceptibility [ppm] of the same shape.

    Returns:
        What the frame executes.

    Raises:
        UserError: for subjects, patches or a network that cannot be used.
    """
    built = model.build(config, platform)
    inputs = prepare(config, built)
    made = engine_of(built, inputs)

    def maps(state: Any, subjects: Sequence[QsmSubject]) -> list[np.ndarray]:
        return [_map(config, s, lambda x: made.predict(state, x)) for s in subjects]

    shapes = infer.one_of_each(inputs.test, lambda s: s.field.shape)
    return frame.Job(
        digests=evidence.of_inputs(config, inputs),
        constants=inputs.constants.content(),
        engine=made,
        batches=frame.batches_of(config, inputs.patches),
        warm_up=lambda state: maps(state, shapes),
        infer=lambda state: maps(state, inputs.test),
        classical=lambda: [baselines.reconstruct(s, inputs.constants.tuned) for s in inputs.test],
        judge=functools.partial(_judge, inputs),
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


def _judge(
    inputs: Inputs, folder: RunFolder, networks: Sequence[np.ndarray], classical: Maps
) -> frame.Judged:
    maps = [{"network": n} | others for n, others in zip(networks, classical, strict=True)]
    table = evaluate.table(maps, inputs.test)
    outputs.write(folder, inputs.test, maps)
    return frame.Judged(
        # Subjects without a reference get maps and a digest, but no row in the tables.
        subjects=[s.name for s in inputs.test if s.chi is not None or not table],
        table=table,
        predictions={s.name: m["network"] for s, m in zip(inputs.test, maps, strict=True)},
    )


def _map(config: Config, subject: QsmSubject, predict: infer.Network) -> np.ndarray:
    """The network's map [ppm] of a subject."""
    chi = infer.whole(predict, subject.field[..., None], config.multiple)
    return np.where(subject.mask, chi, 0).astype(np.float32)
