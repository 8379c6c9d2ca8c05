"""What ``--help`` of an experiment shows."""

import dataclasses
import sys
import textwrap

from mrjax import config as configs
from mrjax.command.parsing import Presets
from mrjax.config.fields import kinds

_PLACEHOLDERS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
_WIDTH = 100
_INDENT = " " * 6


def help_page(config_class: type, presets: Presets) -> str:
    """Return the main's docstring, and each flag with its meaning, default and unit.

    Args:
        config_class: one flag a field.
        presets: {preset: {field: value}}; the help of a flag says where they differ.
    """
    module = sys.modules["__main__"]
    name = module.__spec__.name if module.__spec__ else sys.argv[0]
    parts = [f"usage: python -m {name} [--flag=value ...]", (module.__doc__ or "").strip()]
    entries = [_entry(config_class, field, presets) for field in dataclasses.fields(config_class)]
    parts.append("flags:\n" + "\n".join(entries + _COMMON))
    return "\n\n".join(filter(None, parts)) + "\n"


def _entry(config_class: type, field: dataclasses.Field, presets: Presets) -> str:
    """Return the help of one flag."""
    kind, _ = kinds(config_class)[field.name]
    if kind is bool:
        return _block(f"--[no]{field.name}", configs.help_text(field, presets))
    values = "|".join(c or '""' for c in field.metadata["choices"]) or _PLACEHOLDERS[kind]
    return _block(f"--{field.name}={values}", configs.help_text(field, presets))


def _block(flag: str, text: str) -> str:
    wrapped = textwrap.fill(
        text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
    )
    return f"  {flag}\n{wrapped}"


_COMMON = [
    _block(
        "--sweep=NAME=VALUE,VALUE,...",
        "Run once for each value of a flag, one process a run; a:b is the range of integers from a "
        "up to, not including, b; repeat the flag for a Cartesian product: --sweep=seed_init=0:5 "
        "--sweep=xla_deterministic=true,false",
    ),
    _block("--flagfile=FILE", "Read flags from a file, one a line, such as flags.txt of a run"),
    _block("--help", "Show this page"),
]
"""Flags that are no field of a configuration."""
