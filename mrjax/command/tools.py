"""Programs that are no training: their flags, their help, and one action."""

import copy
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import flags

from mrjax.command.exits import exit_code
from mrjax.command.parsing import parsed
from mrjax.errors import UserError

Action = Callable[..., int]


def on_host() -> None:
    """Set the environment of JAX for a program that computes on the host; before JAX's import.

    None of the user's variables of JAX stays, as in a run (`mrjax.backend.plan`).
    """
    for name in [name for name in os.environ if name.startswith("JAX_")]:
        del os.environ[name]
    os.environ.update(JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")


def tool(
    values: flags.FlagValues,
    action: Action,
    page: str | None,
    argv: Sequence[str],
    words: Sequence[str] = (),
) -> NoReturn:
    """Run a program that is no training, and exit.

    Args:
        values: its flags; ``--help`` is added.
        action: what it does, called with the parsed flags and the arguments that are not flags; it
            returns the exit code.
        page: what ``--help`` shows above the flags.
        argv: arguments, without the program.
        words: names of the arguments that are not flags, such as A and B; all must be given.
    """
    sys.exit(exit_code(lambda: run(values, action, page, argv, words)))


def run(
    values: flags.FlagValues,
    action: Action,
    page: str | None,
    argv: Sequence[str],
    words: Sequence[str] = (),
) -> int:
    """Parse the flags, then show the help or act; see `tool`.

    Raises:
        UserError: an argument is no flag, a flag is unknown or cannot have its value, or as the
            action.
    """
    values = copy.deepcopy(values)  # several programs may run in one process
    flags.DEFINE_bool("help", False, "Show this page", short_name="h", flag_values=values)
    rest = parsed(values, argv)
    if values.help:
        sys.stdout.write(f"{(page or '').strip()}\n\n{values.get_help()}\n")
        return 0
    if rest and not words:
        raise UserError(f"unknown argument {rest[0]}; expected flags only; write --flag=value")
    if len(rest) != len(words):
        raise UserError(
            f"{len(rest)} arguments beside the flags; expected {' '.join(words)}; see --help"
        )
    return action(values, *rest)
