"""A whole VarNet run: slices, network, training, held-out evaluation, records."""

import dataclasses

import numpy as np

from mrjax.backend import Backend
from mrjax.data import pipeline
from mrjax.runs.folder import RunFolder
from mrjax.tasks import frame
from mrjax.tasks.varnet import baselines, model, outputs
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.inputs import Inputs, digest, prepare
from mrjax.train.step import State

Images = list[dict[str, np.ndarray]]


def run(config: Config, backend: Backend, flags_text: str) -> int:
    """Train, evaluate and record one run, or go on with it: see :func:`mrjax.tasks.frame.run`."""
    return frame.run("varnet", config, backend, flags_text, lambda: job(config, backend.platform))


def job(config: Config, platform: str) -> frame.Job:
    """Return the work of one run, its inputs loaded and checked.

    Args:
        config: checked configuration.
        platform: ``cpu`` or ``gpu``.

    Returns:
        What the frame executes.

    Raises:
        UserError: for slices or a network that cannot be used.
    """
    built = model.build(config, platform)
    inputs = prepare(config, built)
    return frame.Job(
        digests=digest(config, inputs),
        constants={"tuned": dataclasses.asdict(inputs.tuned)},
        state=built.initial_state(inputs.initial),
        training=_training(config, built, inputs),
        infer=lambda state: _reconstruct(built, inputs, state),
        judge=lambda folder, images: _judge(folder, inputs, images),
    )


def _training(config: Config, built: model.Model, inputs: Inputs) -> frame.Training | None:
    examples = inputs.examples
    if examples is None:
        return None
    seed = config.seed_for("order")
    return frame.Training(
        loss=built.loss_function(),
        optimizer=built.optimizer,
        batches=lambda step: pipeline.batch(examples, seed, step, config.batch_size),
        project=built.project,
    )


def _judge(folder: RunFolder, inputs: Inputs, images: Images) -> frame.Judged:
    table = outputs.table(images, inputs.test)
    outputs.write(folder, inputs.test, images)
    return frame.Judged(
        # Slices without a reference get images and a digest, but no row in the tables.
        subjects=[s.name for s in inputs.test if s.reference is not None or not table],
        table=table,
        predictions={s.name: m["network"] for s, m in zip(inputs.test, images, strict=True)},
    )


def _reconstruct(built: model.Model, inputs: Inputs, state: State) -> Images:
    """Complex images [row column] of every held-out slice by every method."""
    predict = built.predictor()

    def network(acquired: baselines.Acquisition) -> np.ndarray:
        batch = {k: np.asarray(acquired[k])[None] for k in ("kspace", "maps", "mask")}
        return np.asarray(predict(state.params, batch))[0].astype(np.complex64)

    return [
        {"network": network(a)} | baselines.reconstruct(a, inputs.tuned) for a in inputs.acquired
    ]
