"""Time a training step of one variant in this process."""

import dataclasses
import importlib
import statistics
import time
from typing import Any, NamedTuple

from mrjax.config import RunConfig
from mrjax.speed import flops, variants
from mrjax.tasks import trained
from mrjax.tasks.engine import Engine, Ready

_RUNS = {"qsm": "mrjax.tasks.qsm.run", "varnet": "mrjax.tasks.varnet.run",
         "breast": "mrjax.tasks.breast.fold"}  # fmt: skip
"""Task -> the module that makes its engine in JAX."""


class Task(NamedTuple):
    """A task's modules."""

    name: str

    @property
    def run(self) -> Any:
        """What makes its engine in JAX, and its model."""
        return importlib.import_module(_RUNS[self.name])

    @property
    def noise(self) -> Any:
        """What stands for its data."""
        return importlib.import_module(f"mrjax.tasks.{self.name}.noise")


WARM_UP = 3
"""Steps before the first that counts: libraries load, clocks rise."""


def record(name: str, variant: str, config: RunConfig, started: Any, rounds: int) -> dict[str, Any]:
    """Time a step on noise.

    Args:
        name: of the task whose network is trained.
        variant: key of `mrjax.speed.variants.VARIANTS`.
        config: of that variant, checked.
        started: what the start of its framework returned.
        rounds: steps that count.

    Returns:
        The record to print, as JSON: seconds, bytes, floating-point operations of a step.

    Raises:
        UserError: the step cannot be compiled here, or needs more memory than there is.
    """
    framework = variants.VARIANTS[variant].framework
    task = Task(name)
    batch = task.noise.batch(config)
    weights = trained.Weights(task.run.model.build(config, "cpu").initial_params(), None)
    engine = _engine(task, framework, config, started, weights)
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
        "rounds": rounds,
        "compile_s": compiled,
        "memory_bytes": engine.peak_memory(),
        "flops": _flops(task, config, batch, weights),
        "versions": facts["versions"],
    }


def _engine(task: Task, framework: str, config: Any, started: Any, weights: Any) -> Engine:
    inputs = task.noise.inputs(weights)
    if framework == variants.JAX:
        built = task.run.model.build(config, started.platform)
        return task.run.engine(started.devices, built, inputs)
    _, engine_of = importlib.import_module("mrjax.baseline.tasks").JOBS[task.name]
    return engine_of(started.device, task.run.model.build(config, "cpu"), inputs)


def _seconds(ready: Ready, rounds: int) -> list[float]:
    """Times of steps, each waited for, on a batch that is on the device."""
    batch, state, seconds = ready.batches(0), ready.state, []
    for _ in range(WARM_UP + rounds):
        start = time.perf_counter()
        state, evidence = ready.step(state, batch)
        int(evidence.params)  # the digest of what the step has changed: the device is done
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def _flops(task: Task, config: Any, batch: Any, weights: Any) -> int:
    """Of the native step in float32 as a GPU computes it, whatever the variant."""
    native = dataclasses.replace(config, numerics="native", dtype="float32")
    built = task.run.model.build(native, "gpu")
    engine = task.run.engine([], built, task.noise.inputs(weights))
    return flops.of_step(built, engine.learning, engine.state, batch)
