"""A whole QSM run: subjects, network, training, held-out evaluation, records.

The order is that of the run folder's contract: every mistake of the user is found before training
starts, evidence is written as it arises, result.json last.
"""

import sys
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from mrjax import config as configs
from mrjax.arrays import QsmSubject
from mrjax.backend import Backend
from mrjax.data import pipeline
from mrjax.runs import environment, result
from mrjax.runs.folder import RunFolder, open_run
from mrjax.tasks import records
from mrjax.tasks.qsm import baselines, evaluate, evidence, model, network, outputs
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs, prepare
from mrjax.train import infer, loop
from mrjax.train.sharding import place_batches
from mrjax.train.step import State, make_step


def run(config: Config, backend: Backend, flags_text: str) -> int:
    """Train, evaluate and record one run, or go on with it.

    Args:
        config: checked configuration.
        backend: what :func:`mrjax.backend.start` found.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: for files, shapes or a run folder that cannot be used.
        RunFailed: if training diverges.
    """
    clock = records.Clock()
    path = config.folder("qsm")
    built = model.build(config, backend.platform)
    inputs = None if RunFolder(path).finished else prepare(config, built)
    folder, status = open_run(
        path,
        flags_text=flags_text,
        config=configs.to_json(config),
        config_digest=configs.digest(config),
        environment=environment.capture(backend.facts(), records.CODE_ROOT),
        resume=config.resume,
        allow_mixed=config.allow_mixed,
    )
    if inputs is None or status == "finished":
        records.say(f"already finished: {path} (nothing was run)")
        return 0
    known = evidence.of_inputs(config, inputs)
    network.keep_constants(folder, inputs.constants, known)
    clock.lap("setup")
    outcome = _train(config, backend, built, inputs, folder, clock)
    if outcome.stopped_by:
        records.say(
            f"stopped by signal {outcome.stopped_by} after step {outcome.step}; "
            "the same command goes on from there"
        )
        return 128 + outcome.stopped_by
    _finish(config, backend, built, inputs, known, folder, outcome.state, clock)
    return 0


def _train(
    config: Config,
    backend: Backend,
    built: model.Model,
    inputs: Inputs,
    folder: RunFolder,
    clock: records.Clock,
) -> loop.Outcome:
    state = built.initial_state(inputs.initial.params)
    if inputs.initial.batch_stats is not None:
        state = state._replace(
            batch_stats=network.like(state.batch_stats, inputs.initial.batch_stats)
        )
    patches = inputs.patches
    if patches is None:
        return loop.Outcome(state, 0, None)
    seed = config.seed_for("order")
    place, batches = place_batches(
        backend.devices, lambda step: pipeline.batch(patches, seed, step, config.batch_size)
    )
    state = place(state)
    loss = built.loss_function(inputs.constants.normalisation, inputs.train[0])
    step = make_step(loss, built.optimizer, dynamic_scale=config.dtype == "float16")
    compiled = jax.jit(step, donate_argnums=0).lower(state, batches(0)).compile()
    clock.lap("compile")
    outcome = loop.train(
        folder,
        compiled,
        state,
        batches,
        steps=config.steps,
        checkpoint_every=config.checkpoint_every,
    )
    clock.lap("train")
    return outcome


def _finish(
    config: Config,
    backend: Backend,
    built: model.Model,
    inputs: Inputs,
    known: Mapping[str, str],
    folder: RunFolder,
    state: State,
    clock: records.Clock,
) -> None:
    maps = _reconstruct(built, inputs, state)
    clock.lap("infer")
    metrics = evaluate.table(maps, inputs.test)
    # Subjects without a reference get maps and a digest, but no row in the tables.
    names = [s.name for s in inputs.test if s.chi is not None or not metrics]
    outputs.write(folder, inputs.test, maps)
    network_maps = {s.name: m["network"] for s, m in zip(inputs.test, maps, strict=True)}
    result.write(
        folder.path,
        {
            "schema_version": result.SCHEMA_VERSION,
            "experiment": "qsm",
            "framework": "jax",
            "level": backend.level,
            "steps": config.steps,
            "subjects": names,
            "metrics": metrics.get("network", {}),
            "baselines": {k: v for k, v in metrics.items() if k != "network"},
            "digests": {**known, **evidence.of_outputs(state, network_maps)},
            "seconds": clock.seconds,
            "memory_bytes": records.peak_memory(backend),
        },
    )
    if metrics:
        sys.stdout.write(evaluate.text(metrics, names) + "\n")
    sys.stdout.write(f"finished: {folder.path}\n")


def _reconstruct(built: model.Model, inputs: Inputs, state: State) -> list[dict[str, np.ndarray]]:
    """Maps [ppm] of every held-out subject by every method."""
    predict = built.predictor(inputs.constants.normalisation)

    def apply(field: np.ndarray) -> np.ndarray:
        return np.asarray(predict(state.params, state.batch_stats, jnp.asarray(field)))

    def network_map(subject: QsmSubject) -> np.ndarray:
        chi = infer.whole(apply, subject.field[..., None], built.config.multiple)
        return np.where(subject.mask, chi, 0).astype(np.float32)

    tuned = inputs.constants.tuned
    return [{"network": network_map(s)} | baselines.reconstruct(s, tuned) for s in inputs.test]
