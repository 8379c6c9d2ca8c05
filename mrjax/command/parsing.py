"""Flags from the words of a command line; a mistake in them is a UserError."""

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from mrjax import config as configs
from mrjax.config.fields import kinds
from mrjax.errors import UserError

Presets = Mapping[str, Mapping[str, Any]]

_EXPECTED = {int: "an integer", float: "a number", bool: "true or false", str: "text"}


def parse(config_class: type, presets: Presets, argv: Sequence[str]) -> flags.FlagValues:
    """Parse the flags of an experiment; ``--flagfile`` is read.

    Args:
        config_class: one flag a field; ``--help`` and ``--sweep`` are added.
        presets: {preset: {field: value}}, for the help only.
        argv: arguments, without the program.

    Raises:
        UserError: for anything that is not a flag with a value it can take.
    """
    values = flags.FlagValues()
    configs.define_flags(config_class, values, presets)
    flags.DEFINE_boolean("help", False, "Show this page", short_name="h", flag_values=values)
    flags.DEFINE_multi_string("sweep", [], "Values to run through", flag_values=values)
    rest = parsed(values, argv, lambda text: illegal(config_class, text))
    if rest:
        raise UserError(f"{rest[0]!r} is not a flag; expected --flag=value; see --help")
    return values


def parsed(
    values: flags.FlagValues, argv: Sequence[str], say: Callable[[str], str] | None = None
) -> list[str]:
    """Parse arguments into `values`, for any program.

    Args:
        values: the flags there are.
        argv: arguments, without the program.
        say: turns absl's text on a value that a flag cannot take into a better one.

    Returns:
        The arguments that are not flags.

    Raises:
        UserError: a flag is unknown or cannot have its value, or a flag file is not text.
    """
    try:
        return values(["program", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UserError(unknown(error.flagname, list(values))) from error
    except flags.IllegalFlagValueError as error:
        text = str(error)
        raise UserError(say(text) if say else _another(text)) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"--flagfile is no text ({error.reason}: not text in UTF-8); expected one flag a line; "
            "name another file"
        ) from error
    except flags.Error as error:
        text = str(error).removeprefix("ERROR:: ")
        raise UserError(f"{text}; expected --flag=value; see --help") from error


def unknown(name: str, known: Sequence[str]) -> str:
    """Return the complaint about a flag that does not exist, with the most similar one."""
    close = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean --{close[0]}?" if close else "see --help"
    return f"unknown flag --{name}; expected a flag of this experiment; {advice}"


def illegal(config_class: type, text: str) -> str:
    """Return the complaint about a value that a flag cannot take.

    Args:
        config_class: whose fields know what was expected.
        text: absl's own complaint, which names flag and value.
    """
    found = re.match(r"flag --([^=\s]+)=(.*?): ", text, re.DOTALL)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    if not found or found[1] not in fields:
        return _another(text)
    expected = _EXPECTED[kinds(config_class)[found[1]][0]]
    if choices := fields[found[1]].metadata["choices"]:
        expected = "one of " + ", ".join(choice or '""' for choice in choices)
    return f"--{found[1]}={found[2]} is not allowed; expected {expected}; see --help"


def _another(text: str) -> str:
    return f"{text}; expected another value; see --help"


def chosen(
    flag: str, known: Mapping[str, tuple[type, Presets]], common: type, argv: Sequence[str]
) -> tuple[type, Presets]:
    """Return the configuration class and presets that the value of one flag selects.

    Args:
        flag: its name; it may stand in a flag file.
        known: its values, each with a configuration class and presets.
        common: what ``--help`` shows when the flag is not given.
        argv: arguments, without the program.

    Raises:
        UserError: the flag is not given, or its value is unknown.
    """
    values = flags.FlagValues()
    flags.DEFINE_string(flag, None, "", flag_values=values)
    flags.DEFINE_boolean("help", False, "", short_name="h", flag_values=values)
    try:
        values(["program", *argv], known_only=True)
    except flags.Error:
        return common, {}  # the parser of the whole command line says what is wrong
    value: str | None = values[flag].value
    if value is None and values["help"].value:
        return common, {}
    if value is None or value not in known:
        found = f"--{flag} is not given" if value is None else f"--{flag}={value} is not allowed"
        example = f"--{flag}={next(iter(known))}"
        raise UserError(
            f"{found}; expected one of {', '.join(known)}; add {example}, for example; see --help"
        )
    return known[value]
