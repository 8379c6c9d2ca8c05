"""The main of an experiment: flags, then the environment, then the framework, then the run."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from mrjax import backend
from mrjax import config as configs
from mrjax.command import sweeps, together
from mrjax.command.exits import exit_code
from mrjax.command.pages import help_page
from mrjax.command.parsing import Presets, chosen, parse
from mrjax.errors import UserError


def main(
    config_class: type[configs.RunConfig], presets: Presets, run: str, start: str = ""
) -> NoReturn:
    """Run the experiment the command line describes, and exit.

    Args:
        config_class: what can be asked for; one flag a field.
        presets: {preset: {field: value}}.
        run: ``"package.module:function"``, imported only once the environment is in place, called
            as ``function(config, backend, flags_text)`` with the flags as text for
            ``--flagfile``; it returns the exit code. ``backend`` is None for a config whose
            `needs_device` is False.
        start: ``"package.module:function"`` that starts a framework other than JAX, called as
            ``function(config)``; it returns the ``backend``, which has `notes`.
    """
    together.leave(exit_code(lambda: act(config_class, presets, run, sys.argv[1:], start)))


def main_of(
    flag: str,
    known: Mapping[str, tuple[type[configs.RunConfig], Presets]],
    common: type[configs.RunConfig],
    run: str,
    start: str = "",
) -> NoReturn:
    """Like `main`, for a program in which the value of one flag selects the configuration.

    Args:
        flag: its name; it may stand in a flag file.
        known: its values, each with a configuration class and presets.
        common: what all of them share; ``--help`` without the flag shows it.
        run: as in `main`.
        start: as in `main`.
    """

    def action() -> int:
        config_class, presets = chosen(flag, known, common, sys.argv[1:])
        return act(config_class, presets, run, sys.argv[1:], start)

    together.leave(exit_code(action))


def act(config_class: type, presets: Presets, run: str, argv: Sequence[str], start: str) -> int:
    """Show the help, sweep, or run the experiment; see `main`.

    Raises:
        UserError: a mistake in the flags, or as the run.
        RunFailed: as the run.
    """
    values = parse(config_class, presets, argv)
    if values["help"].value:
        sys.stdout.write(help_page(config_class, presets))
        return 0
    if values["sweep"].value:
        return sweeps.run(config_class, presets, values)
    config = configs.from_flags(config_class, presets, values)
    config.check()
    if config.processes > 1 and not config.needs_device:
        raise UserError(
            f"--processes={config.processes} with several trainings in one run; expected one "
            "training; choose it (--fold=0), or drop --processes"
        )
    if config.processes > 1 and not together.is_member():
        return together.run(config, argv, os.environ)
    with backend.told(config):
        started = _started(config, start) if config.needs_device else None
        return _named(run)(config, started, configs.to_flags(config))


def _named(name: str) -> Callable[..., Any]:
    """Import what ``"package.module:function"`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _started(config: configs.RunConfig, start: str) -> Any:
    """Start the framework (JAX in the environment that the flags ask for) and print its notes."""
    if not start:
        backend.reexec(config)
    found = _named(start)(config) if start else backend.start(config)
    for note in found.notes:
        sys.stderr.write(f"note: {note}\n")
    return found
