"""``--sweep``: check every combination of values first, then run one process for each."""

import dataclasses
import sys
from collections.abc import Sequence

from absl import flags

from mrjax import config as configs
from mrjax import sweep
from mrjax.command.parsing import Presets, parse, unknown
from mrjax.errors import UserError


def run(config_class: type, presets: Presets, values: flags.FlagValues) -> int:
    """Check every combination, then run them all.

    Args:
        config_class: one flag a field.
        presets: {preset: {field: value}}.
        values: the parsed flags, ``--sweep`` among them.

    Returns:
        The exit code of `mrjax.sweep.run`.

    Raises:
        UserError: a swept flag is unknown, or a combination is not allowed.
    """
    combinations = sweep.expand(values["sweep"].value or [])
    given = configs.explicit(config_class, values)
    workdir = given.pop("workdir", "")
    _check_names(config_class, list(combinations[0]), workdir)
    common = [configs.to_argument(name, value) for name, value in given.items()]
    for combination in combinations:
        argv = [*common, *sweep.arguments(combination, workdir)]
        try:
            parsed = parse(config_class, presets, argv)
            configs.from_flags(config_class, presets, parsed).check()
        except UserError as error:
            raise UserError(f"--sweep, run {sweep.label(combination)}: {error}") from error
    return sweep.run(program(), common, combinations, workdir)


def _check_names(config_class: type, names: Sequence[str], workdir: str) -> None:
    """Refuse to sweep over an unknown flag, or over the run folder against itself."""
    fields = [field.name for field in dataclasses.fields(config_class)]
    for name in names:
        if name not in fields:
            raise UserError(f"--sweep={name}: {unknown(name, fields)}")
    if workdir and "workdir" in names:
        raise UserError(
            f"--sweep=workdir contradicts --workdir={workdir}; expected one of them; drop the other"
        )


def program() -> list[str]:
    """Return the command that started this process, such as ``python -m experiments.qsm``."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]
