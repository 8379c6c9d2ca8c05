"""Many runs from one command: the Cartesian product of values, one process a run, in turn.

A process a run, since XLA's flags hold for a process; in turn, since runs that share a machine
disturb each other's timing. Imports no JAX.
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
    """All combinations of swept values, the last flag varying fastest.

    Args:
        specifications: one ``name=value,value,...`` a flag; ``a:b`` stands for the integers from
            a up to, not including, b; a value may be empty.

    Returns:
        One {name: value} a run.

    Raises:
        UserError: for a specification that cannot be read, or names a flag or value twice.
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
    """Values of one specification, ranges written out."""
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
    """Name of a run within its sweep, ``name=value,...``, fit to be a folder's name."""
    return ",".join(f"{name}={quote(value, safe='')}" for name, value in combination.items())


def arguments(combination: Mapping[str, str], workdir: str = "") -> list[str]:
    """Command line arguments that make one run of a sweep.

    Args:
        combination: swept values.
        workdir: folder of the whole sweep; each run gets one of its own inside. "" leaves every
            run to its default folder, which the digest of its config tells apart.
    """
    swept = [f"--{name}={value}" for name, value in combination.items()]
    return [*swept, f"--workdir={Path(workdir, label(combination))}"] if workdir else swept


def run(
    program: Sequence[str],
    argv: Sequence[str],
    combinations: Sequence[Mapping[str, str]],
    workdir: str = "",
) -> int:
    """Run every combination, show the last line of each, list the failed ones at the end.

    Args:
        program: command that starts one run, such as ``python -m experiments.qsm``.
        argv: flags common to all runs; those of a combination come after and win.
        combinations: from `expand`.
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
