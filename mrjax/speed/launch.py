"""Time one variant in this process, or several variants in processes of their own.

This module imports no JAX.
"""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mrjax import backend, children
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.speed import variants
from mrjax.speed.variants import JAX, VARIANTS
from mrjax.tasks import registry

PEAK = "peak"
"""Name of the measurement of matrix products, in place of a task's."""


def config_of(task: str, variant: str, given: Mapping[str, Any]) -> RunConfig:
    """Return the checked configuration of a variant.

    Args:
        task: the task whose network is trained.
        variant: key of `VARIANTS`.
        given: values of fields: the platform, sizes, and the fields of the preset.

    Raises:
        UserError: fields contradict each other.
    """
    chosen = VARIANTS[variant]
    fields = {**given, **registry.TASKS[task].single, **chosen.fields_for(task)}
    ours = chosen.framework == JAX
    config = registry.program(task if ours else registry.PYTORCH, task)[0](**fields)
    config.check()
    return config


def step(task: str, variant: str, config: RunConfig, rounds: int) -> dict[str, Any]:
    """Time one variant in this process, which may be started again in the environment it needs.

    Args:
        task: the task whose network is trained.
        variant: key of `VARIANTS`.
        config: configuration from `config_of`.
        rounds: number of timed steps.

    Returns:
        The record of `mrjax.speed.step.record`.

    Raises:
        UserError: the framework or the device is absent, or the compiler refuses the step.
        RunFailed: the device has too little memory.
    """
    with backend.told(config):
        if VARIANTS[variant].framework == JAX:
            backend.reexec(config)
            started: Any = backend.start(config)
        else:
            started = importlib.import_module("mrjax.pytorch.startup").start(config)
        timed = importlib.import_module("mrjax.speed.step")  # not earlier, because it imports JAX
        return timed.record(task, variant, config, started, rounds)


def peak(config: RunConfig, rounds: int) -> dict[str, Any]:
    """Time large matrix products in this process, which may be started again as for `step`.

    Args:
        config: configuration with the platform.
        rounds: number of timed products of each type.

    Returns:
        The record to print, as JSON, with `tflops` by type of numbers.

    Raises:
        UserError: the device is absent.
    """
    backend.reexec(config)
    started = backend.start(config)
    measured = importlib.import_module("mrjax.speed.peak").measure(started.platform, rounds)
    return {"task": PEAK, "device_kind": started.device_kind, "tflops": measured}


def each(commands: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Run commands that print one record each, one after the other.

    Args:
        commands: words after the interpreter, such as ``-m experiments.bench --task=peak``.

    Yields:
        Records in the order of the commands, with `share_of_peak` if a record of `peak` came
        before; for a command that failed, `command`, `code` and its last line as `error`.
    """
    rates: Mapping[str, float] = {}
    for command in commands:
        lines: list[str] = []
        ended = children.run([sys.executable, *command], os.environ, lines.append)
        found = record_in(lines)
        if ended.code or found is None:
            yield {"command": list(command), "code": ended.code, "error": ended.last}
            continue
        rates = found.get("tflops", rates)
        yield with_share(found, rates)


def record_in(lines: Sequence[str]) -> dict[str, Any] | None:
    """Return the record in the last JSON line that a command wrote; None if there is none."""
    for line in reversed(lines):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                return json.loads(line)
    return None


def with_share(record: Mapping[str, Any], rates: Mapping[str, float]) -> dict[str, Any]:
    """Return a step's record with the share of the matrix products' rate that the step reached.

    Args:
        record: record of `step`.
        rates: `tflops` of `peak`; if empty, the record is returned unchanged.
    """
    if "flops" not in record or not rates:
        return dict(record)
    rate = rates[VARIANTS[record["variant"]].numbers]
    return {**record, "share_of_peak": record["flops"] / record["step_s"] / 1e12 / rate}


def chosen(task: str, text: str) -> list[str]:
    """Return the names of the variants that a text lists.

    Args:
        task: the task whose step is timed.
        text: names with commas between them, or ``all``.

    Raises:
        UserError: a name is unknown.
    """
    names = variants.of(task) if text == "all" else text.split(",")
    strange = [name for name in names if name not in VARIANTS]
    if strange:
        raise UserError(
            f"--variants names {strange[0]!r}; expected all, or some of {', '.join(VARIANTS)}; "
            "correct it"
        )
    return names
