"""Many runs from one command: the Cartesian product of values, one process a run, in turn.

Each run has a process, because XLA's flags hold for a process. The runs do not overlap, because
runs that share a machine disturb each other's timing. This module imports no JAX.
"""

import itertools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from mrjax import children
from mrjax.errors import UserError

_RANGE = re.compile(r"(-?\d+):(-?\d+)")


def expand(specifications: Sequence[str]) -> list[dict[str, str]]:
    """Return all combinations of swept values; the last flag varies fastest.

    Args:
        specifications: one ``name=value,value,...`` for each flag; ``a:b`` stands for the integers
            from a to b - 1; a value may be empty.

    Returns:
        One {name: value} for each run.

    Raises:
        UserError: for a specification that cannot be read, or that names a flag or value twice.
    """
    axes: dict[str, list[str]] = {}
    for specification in specifications:
        name, equals, text = specification.partition("=")
        if not name or not equals:
            raise UserError(
                f"--sweep={specification} has no values; expected NAME=VALUE,VALUE or NAME=0:5; "
                "write --sweep=seed_init=0:5, for example"
            )
        if name in axes:
            raise UserError(
                f"--sweep names {name} twice; expected one --sweep a flag; join their values"
            )
        axes[name] = _values(specification, text)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _values(specification: str, text: str) -> list[str]:
    """Return the values of one specification, with ranges written out."""
    values = [value for part in text.split(",") for value in _written_out(part)]
    if not values:
        raise UserError(
            f"--sweep={specification} is an empty range; expected an end above the start; swap them"
        )
    repeated = {value for value in values if values.count(value) > 1}
    if repeated:
        raise UserError(
            f"--sweep={specification} repeats {min(repeated)}; expected different values; for the "
            "same run again use --sweep=repetition=0:2"
        )
    return values


def _written_out(part: str) -> list[str]:
    found = _RANGE.fullmatch(part)
    return [str(i) for i in range(int(found[1]), int(found[2]))] if found else [part]


def label(combination: Mapping[str, str]) -> str:
    """Return the name of a run in its sweep, ``name=value,...``, valid as a folder's name."""
    return ",".join(f"{name}={quote(value, safe='')}" for name, value in combination.items())


def arguments(combination: Mapping[str, str], workdir: str = "") -> list[str]:
    """Return the command line arguments of one run of a sweep.

    Args:
        combination: swept values.
        workdir: folder of the whole sweep, in which each run gets a folder of its own. With ""
            every run has its default folder, whose name is the digest of its config.
    """
    swept = [f"--{name}={value}" for name, value in combination.items()]
    return [*swept, f"--workdir={Path(workdir, label(combination))}"] if workdir else swept


def run(
    program: Sequence[str],
    argv: Sequence[str],
    combinations: Sequence[Mapping[str, str]],
    workdir: str = "",
) -> int:
    """Run every combination, show the last line of each, and list the failed runs at the end.

    Args:
        program: command that starts one run, such as ``python -m experiments.qsm``.
        argv: flags common to all runs; a combination's flags come later and override them.
        combinations: what `expand` returned.
        workdir: as in `arguments`.

    Returns:
        0 if every run ended with 0, else 1; 128 + n when signal n ended the sweep.
    """
    failed = []
    for number, combination in enumerate(combinations, 1):
        sys.stdout.write(f"[{number}/{len(combinations)}] {label(combination)}: ")
        sys.stdout.flush()
        ended = children.run([*program, *argv, *arguments(combination, workdir)])
        sys.stdout.write(f"{ended.last or '(no output)'}\n")
        if ended.signal is not None:
            return 128 + ended.signal
        if ended.code:
            failed.append(f"{label(combination)} (exit code {ended.code})")
    if failed:
        sys.stdout.write(f"{len(failed)} of {len(combinations)} runs failed: {'; '.join(failed)}\n")
    return 1 if failed else 0
