"""With which configuration a package computes, and how its environment differs from this one."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import environment
from mrjax.sharing.package import packed, variables
from mrjax.tasks import registry

OF_THE_MACHINE = (
    *("platform", "device_index", "devices", "xla_cpu_isa", "cpu_threads"),
    *("processes", "process_id", "coordinator"),
)
"""Settings that change no bit of order-free arithmetic, so that any machine can check it."""


def configuration(package: Any, **changes: Any) -> RunConfig:
    """Return the checked configuration of a package's training.

    In order-free arithmetic the machine's own device is used, as it must give the same bits.

    Args:
        package: `mrjax.sharing.package.Package`.
        **changes: fields with another value.

    Raises:
        UserError: this version of mrjax has no such program or settings.
    """
    try:
        kind = packed.kind_of(package.task, package.settings)
        known = {field.name for field in dataclasses.fields(kind)}
        strange = sorted(set(package.settings) - known)
        if strange:
            raise ValueError(f"setting {strange[0]} is unknown")
        kept = dict(package.settings)
        if package.settings.get("numerics") == "reproducible":
            kept = {k: v for k, v in kept.items() if k not in OF_THE_MACHINE}
        found = kind(**{**kept, **changes})
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"config.json: this version of mrjax cannot use the settings ({error}); expected those "
            f"of one of {', '.join(registry.TASKS)}; check out the commit that environment.json "
            "names, see the command environment"
        ) from error
    found.check()
    return found


def applied(package: Any) -> RunConfig:
    """Return the configuration under which the network is applied to the test input.

    The output in a package is that of a CPU; only order-free arithmetic gives it everywhere.
    """
    changes: dict[str, Any] = {"xla_autotune": "auto", "xla_autotune_file": ""}
    if not package.exact:
        changes |= {"platform": "cpu", "devices": 1, "device_index": 0}
        changes |= {"processes": 1, "process_id": None, "coordinator": ""}
    return configuration(package, **changes)


def in_pytorch(package: Any) -> bool:
    """Whether the settings are those of a training in PyTorch; imported networks have JAX's."""
    return "task" in package.settings


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return how two environments differ in what both say and what can change numbers.

    Entries that a package lacks, because they would name its maker's machine, are not compared. Of
    the variables only those are that a process here takes from the package.

    Args:
        there: the package's.
        here: that of a process here.
    """
    there = [there, *there.get("resumed_with", [])][-1]
    common = _common(there, here)
    for side, record in zip(common, (there, here), strict=True):
        found = record.get("variables") or {}
        side["variables"] = {k: v for k, v in found.items() if k in variables.NAMES}
    return environment.differences(*common)


def _common(there: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[dict, dict]:
    """Return both records with the entries alone that both have."""
    both: tuple[dict, dict] = ({}, {})
    for name in there.keys() & here.keys() - {"variables", "packages"}:
        pair = there[name], here[name]
        if all(isinstance(one, Mapping) for one in pair):
            pair = _common(*pair)
        for side, value in zip(both, pair, strict=True):
            side[name] = value
    return both
