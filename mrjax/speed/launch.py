"""Time one variant in this process, or several in processes of their own. Imports no jax."""

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
        task: whose network is trained.
        variant: key of `VARIANTS`.
        given: fields: platform, sizes and those of the preset.

    Raises:
        UserError: for fields that do not go together.
    """
    chosen = VARIANTS[variant]
    fields = {**given, **registry.TASKS[task].single, **chosen.fields_for(task)}
    ours = chosen.framework == JAX
    config = registry.program(task if ours else registry.PYTORCH, task)[0](**fields)
    config.check()
    return config


def step(task: str, variant: str, config: RunConfig, rounds: int) -> dict[str, Any]:
    """Time one variant here; may start the process again, in the environment it needs.

    Args:
        task: whose network is trained.
        variant: key of `VARIANTS`.
        config: see `config_of`.
        rounds: steps that count.

    Returns:
        See `mrjax.speed.step.record`.

    Raises:
        UserError: the framework or the device is not there, or its compiler refuses the step.
        RunFailed: the device has too little memory.
    """
    with backend.told(config):
        if VARIANTS[variant].framework == JAX:
            backend.reexec(config)
            started: Any = backend.start(config)
        else:
            started = importlib.import_module("mrjax.pytorch.startup").start(config)
        timed = importlib.import_module("mrjax.speed.step")  # only now: it imports JAX
        return timed.record(task, variant, config, started, rounds)


def peak(config: RunConfig, rounds: int) -> dict[str, Any]:
    """Time large matrix products; may start the process again, in the environment it needs.

    Args:
        config: gives the platform.
        rounds: products of each type that count.

    Returns:
        The record to print, as JSON, with `tflops` by type of numbers.

    Raises:
        UserError: the device is not there.
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
        Records in the order of the commands, with `share_of_peak` where `peak` came before; for
        one that failed, `command`, `code` and its last line as `error`.
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
    """Return the record that a command wrote as its last line in JSON; None if there is none."""
    for line in reversed(lines):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                return json.loads(line)
    return None


def with_share(record: Mapping[str, Any], rates: Mapping[str, float]) -> dict[str, Any]:
    """Return a record of a step with the share of the matrix products' rate that it reached.

    Args:
        record: of `step`.
        rates: `tflops` of `peak`; empty: the record is returned as it is.
    """
    if "flops" not in record or not rates:
        return dict(record)
    rate = rates[VARIANTS[record["variant"]].numbers]
    return {**record, "share_of_peak": record["flops"] / record["step_s"] / 1e12 / rate}


def chosen(task: str, text: str) -> list[str]:
    """Return the names of variants in a list.

    Args:
        task: whose step is timed.
        text: names with commas between them, or ``all``.

    Raises:
        UserError: for a name that is none.
    """
    names = variants.of(task) if text == "all" else text.split(",")
    strange = [name for name in names if name not in VARIANTS]
    if strange:
        raise UserError(
            f"--variants names {strange[0]!r}; expected all, or some of {', '.join(VARIANTS)}; "
            "correct it"
        )
    return names
