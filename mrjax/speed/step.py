"""Time a training step of one variant in this process."""

import dataclasses
import statistics
import time
from typing import Any

from mrjax.config import RunConfig
from mrjax.speed import flops, variants
from mrjax.tasks import registry, trained
from mrjax.tasks.engine import Engine, Ready

LEAST, ENOUGH = 3, 20.0
"""Least number of timed steps; seconds after which only this number is taken."""
WARM_UP = 3
"""Number of steps before the first timed one, in which libraries load and clocks rise."""


def record(name: str, variant: str, config: RunConfig, started: Any, rounds: int) -> dict[str, Any]:
    """Time a step on noise.

    Args:
        name: name of the task whose network is trained.
        variant: key of `mrjax.speed.variants.VARIANTS`.
        config: checked configuration of this variant.
        started: result of the start of its framework.
        rounds: largest number of timed steps.

    Returns:
        The record to print, as JSON: seconds, bytes, floating-point operations of a step.

    Raises:
        UserError: the step cannot be compiled here, or needs more memory than there is.
    """
    task, noise = registry.module(name, "run"), registry.module(name, "noise")
    batch = noise.batch(config)
    weights = trained.Weights(task.model.build(config, "cpu").initial_params(), None)
    inputs = noise.inputs(weights)
    engine = _engine(task, variants.VARIANTS[variant].framework, config, started, inputs)
    begun = time.perf_counter()
    ready = engine.begin(config, lambda step: batch)
    compiled = time.perf_counter() - begun
    seconds = _seconds(ready, rounds)
    facts = started.facts()
    return {
        "task": name,
        "variant": variant,
        "device_kind": facts["device_kind"],
        "level": facts["level"],
        "batch_size": config.batch_size,
        "step_s": statistics.median(seconds),
        "minimum_s": min(seconds),
        "rounds": len(seconds),
        "compile_s": compiled,
        "memory_bytes": engine.peak_memory(),
        "flops": _flops(task, config, batch, inputs),
        "versions": facts["versions"],
    }


def _engine(task: Any, framework: str, config: Any, started: Any, inputs: Any) -> Engine:
    if framework == variants.JAX:
        return task.engine(started.devices, task.model.build(config, started.platform), inputs)
    engine_of = registry.twin(config.experiment).engine
    return engine_of(started.device, task.model.build(config, "cpu"), inputs)


def _seconds(ready: Ready, rounds: int) -> list[float]:
    """Time steps, waiting for each, on a batch that is on the device.

    Slow steps are taken less often, so that the measurement ends.
    """
    batch, state, seconds = ready.batches(0), ready.state, []
    while len(seconds) < WARM_UP + rounds:
        if sum(seconds) > ENOUGH and len(seconds) >= WARM_UP + LEAST:
            break
        start = time.perf_counter()
        state, evidence = ready.step(state, batch)
        int(evidence.params)  # the digest of the updated parameters exists: the device is done
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def _flops(task: Any, config: Any, batch: Any, inputs: Any) -> int:
    """Count the operations of the native float32 step on a GPU, whatever the variant."""
    native = dataclasses.replace(config, numerics="native", dtype="float32")
    built = task.model.build(native, "gpu")
    engine = task.engine([], built, inputs)
    return flops.of_step(built, engine.learning, engine.state, batch)
