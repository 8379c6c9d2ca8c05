"""A whole VarNet run: slices, network, training, held-out evaluation, records."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mrjax.backend import Backend
from mrjax.runs.folder import RunFolder
from mrjax.tasks import frame
from mrjax.tasks.engine import Engine, JaxEngine, Learning
from mrjax.tasks.varnet import baselines, model, outputs
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.inputs import Inputs, digest, prepare
from mrjax.train import infer

Images = list[dict[str, np.ndarray]]


def run(config: Config, backend: Backend, flags_text: str) -> int:
    """Train, evaluate and record one run, or go on with it: see :func:`mrjax.tasks.frame.run`."""
    in_jax = functools.partial(engine, backend.devices)
    prepare = functools.partial(job, config, backend.platform, in_jax)
    return frame.run("varnet", config, backend, flags_text, prepare)


def job(
    config: Config, platform: str, engine_of: Callable[[model.Model, Inputs], Engine]
) -> frame.Job:
    """Return the work of one run, its inputs loaded and checked.

    Args:
        config: checked configuration.
        platform: ``cpu`` or ``gpu``, where JAX computes.
        engine_of: makes the network in its framework; its input are `kspace`, `maps` (1, coil,
            row, column) and `mask` (1, column), its output a complex image (1, row, column).

    Returns:
        What the frame executes.

    Raises:
        UserError: for slices or a network that cannot be used.
    """
    built = model.build(config, platform)
    inputs = prepare(config, built)
    made = engine_of(built, inputs)

    def images(state: Any, acquired: Sequence[baselines.Acquisition]) -> list[np.ndarray]:
        return [_image(a, lambda x: made.predict(state, x)) for a in acquired]

    shapes = infer.one_of_each(inputs.acquired, lambda a: np.shape(a["kspace"]))
    return frame.Job(
        digests=digest(config, inputs),
        constants={"tuned": dataclasses.asdict(inputs.tuned)},
        engine=made,
        batches=frame.batches_of(config, inputs.examples),
        warm_up=lambda state: images(state, shapes),
        infer=lambda state: images(state, inputs.acquired),
        classical=lambda: [baselines.reconstruct(a, inputs.tuned) for a in inputs.acquired],
        judge=functools.partial(_judge, inputs),
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


def _judge(
    inputs: Inputs, folder: RunFolder, networks: Sequence[np.ndarray], classical: Images
) -> frame.Judged:
    images = [{"network": n} | others for n, others in zip(networks, classical, strict=True)]
    table = outputs.table(images, inputs.test)
    outputs.write(folder, inputs.test, images)
    return frame.Judged(
        # Slices without a reference get images and a digest, but no row in the tables.
        subjects=[s.name for s in inputs.test if s.reference is not None or not table],
        table=table,
        predictions={s.name: m["network"] for s, m in zip(inputs.test, images, strict=True)},
    )


def _image(
    acquired: baselines.Acquisition, predict: Callable[[baselines.Acquisition], np.ndarray]
) -> np.ndarray:
    """The network's complex image [row column] of a slice."""
    batch = {k: np.asarray(acquired[k])[None] for k in ("kspace", "maps", "mask")}
    return predict(batch)[0].astype(np.complex64)
