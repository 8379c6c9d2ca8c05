"""The table of a proof, and what it shows."""

from collections.abc import Mapping, Sequence

from mrjax.prove.conditions import LEVELS, Condition
from mrjax.runs.text import aligned

ARITHMETICS = ("native", "reproducible")
OUTPUTS = ("params", "predictions")
INPUTS = ("init", "order", "data")
_SHOWN = 12

Digests = Mapping[str, str]
Found = Mapping[str, Sequence[Digests | None]]
"""Arithmetic -> digests of each condition's run, None where it did not finish."""


def table(conditions: Sequence[Condition], found: Found) -> str:
    """Lay digests of both arithmetics side by side, one line a condition."""
    columns = [f"{a} {o}" for a in ARITHMETICS for o in OUTPUTS]
    head = ["", "device", *LEVELS, "python", "jax", *columns]
    lines = [head]
    for i, condition in enumerate(conditions):
        settings = [condition.settings[factor] for factor in LEVELS]
        mode = {"true": " deterministic"}.get(condition.settings.get("gpu", ""), "")
        versions = [condition.python.version, condition.python.jax]
        outputs = [_shown(found[a][i], o) for a in ARITHMETICS for o in OUTPUTS]
        lines.append([str(i), condition.platform + mode, *settings, *versions, *outputs])
    return "\n".join(aligned(lines))


def _shown(digests: Digests | None, output: str) -> str:
    return digests[output][:_SHOWN] if digests else "failed"


def verdict(found: Found) -> tuple[bool, list[str]]:
    """Judge a proof.

    Returns:
        Whether it shows what it should, and lines that say what it shows.
    """
    if any(digests is None for runs in found.values() for digests in runs):
        return False, ["not shown: not every run finished"]
    runs = {name: [d for d in found[name] if d] for name in ARITHMETICS}
    inputs = {tuple(d[k] for k in INPUTS) for digests in runs.values() for d in digests}
    counts = {name: {o: len({d[o] for d in runs[name]}) for o in OUTPUTS} for name in ARITHMETICS}
    lines = [
        f"{name}: {_number(counts[name]['params'])} and "
        f"{_number(counts[name]['predictions'], 'predictions')} from {len(runs[name])} runs"
        for name in ARITHMETICS
    ]
    if len(inputs) > 1:
        names = ", ".join(k for i, k in enumerate(INPUTS) if len({d[i] for d in inputs}) > 1)
        return False, [*lines, f"not shown: the runs began differently ({names})"]
    if max(counts["reproducible"].values()) > 1:
        return False, [*lines, "not shown: the reproducible arithmetic depends on the conditions"]
    if max(counts["native"].values()) == 1:
        said = "not shown: the conditions change native arithmetic no more than the reproducible"
        return False, [*lines, said]
    return True, [*lines, "shown: the same network and predictions, bit for bit"]


def _number(count: int, what: str = "params") -> str:
    return f"{count} {what} digest{'' if count == 1 else 's'}"
