"""A program of several commands, each a module that is imported once it is asked for."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from absl import flags

from mrjax.command import tools


class Verb(NamedTuple):
    """One command of a program.

    Attributes:
        module: path of a module with `FLAGS`, the command's `absl.flags.FlagValues`, and with
            ``act(values, *words)``, which returns the exit code. It must be quick to import.
        words: names of the arguments that are not flags, such as A and B; all must be given.
    """

    module: str
    words: Sequence[str] = ()


def dispatch(
    verbs: Mapping[str, Verb],
    values: flags.FlagValues,
    otherwise: Callable[[flags.FlagValues], int],
    page: str | None,
    argv: Sequence[str],
) -> NoReturn:
    """Run the command that the first argument names, and exit.

    Args:
        verbs: name -> command.
        values: flags of the program without a command.
        otherwise: what the program then does, see `mrjax.command.tool`.
        page: what ``--help`` shows above the flags.
        argv: arguments, without the program.
    """
    if argv and argv[0] in verbs:
        verb = verbs[argv[0]]
        module = _of(verb)
        tools.tool(module.FLAGS, module.act, page, argv[1:], verb.words)
    pages = (
        f"{name} has the flags\n{_of(verb).FLAGS.get_help()}\n" for name, verb in verbs.items()
    )
    whole = "\n".join([page or "", *pages, "without a command:\n"])
    tools.tool(values, otherwise, whole, argv)


def _of(verb: Verb) -> Any:
    return importlib.import_module(verb.module)
