"""A config as absl flags, one for each field."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from absl import flags

from mrjax.config.fields import kinds
from mrjax.config.mirrors import text
from mrjax.config.run import RunConfig
from mrjax.errors import UserError

Presets = Mapping[str, Mapping[str, Any]]
ConfigT = TypeVar("ConfigT", bound=RunConfig)
DEFAULT_PRESET: str = RunConfig.preset


def define_flags(
    cls: type[RunConfig], flag_values: flags.FlagValues, presets: Presets | None = None
) -> None:
    """Define one flag for each field; an unset flag is None, so that `from_flags` can tell.

    Args:
        cls: class of the config.
        flag_values: where flags are defined; a fresh `flags.FlagValues()` holds nothing else.
        presets: values by preset; the help shows them next to the default.
    """
    for field in dataclasses.fields(cls):
        kind, _ = kinds(cls)[field.name]
        about, choices = help_text(field, presets or {}), field.metadata["choices"]
        if choices:
            flags.DEFINE_enum(field.name, None, choices, about, flag_values=flag_values)
        else:
            _DEFINE[kind](field.name, None, about, flag_values=flag_values)


_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
    str: flags.DEFINE_string,
}


def help_text(field: dataclasses.Field, presets: Presets) -> str:
    """Return the help of a field: meaning, unit, default, and presets that differ from it."""
    unit = f" [{field.metadata['unit']}]" if field.metadata["unit"] else ""
    values = {name: dict(preset).get(field.name, field.default) for name, preset in presets.items()}
    default = values.get(DEFAULT_PRESET, field.default)
    others = "".join(f"; {name} {_shown(v)}" for name, v in values.items() if v != default)
    return f"{field.metadata['help']}{unit} (default {_shown(default)}{others})"


def _shown(value: Any) -> str:
    return "unset" if value is None else text(value) or '""'


def from_flags(cls: type[ConfigT], presets: Presets, flag_values: flags.FlagValues) -> ConfigT:
    """Return the config of a parsed command line: explicit flag, else preset, else default.

    Args:
        cls: class of the config, whose flags `define_flags` defined.
        presets: {preset name: {field name: value}}.
        flag_values: parsed flags.

    Returns:
        The config, not yet checked.

    Raises:
        UserError: for a preset this experiment does not have.
    """
    given = explicit(cls, flag_values)
    preset = given.get("preset", DEFAULT_PRESET)
    if preset not in presets:
        raise UserError(
            f"--preset={preset} is not a preset of this experiment; expected one of "
            f"{', '.join(presets)}; choose another"
        )
    return cls(**_all_held_out(cls, {**presets[preset], **given}, given))


def _all_held_out(
    cls: type[RunConfig], values: dict[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """A network that only infers is given all of a folder, unless --n_test says otherwise."""
    names = {field.name for field in dataclasses.fields(cls)}
    infers = values.get("steps") == 0 and values.get("dataset", "synthetic") != "synthetic"
    if "n_test" not in names or "n_test" in given or not infers:
        return values
    return {**values, "n_test": 0}


def explicit(cls: type[RunConfig], flag_values: flags.FlagValues) -> dict[str, Any]:
    """Return the fields that the command line or its flag files set, in the dataclass's order."""
    values = {field.name: flag_values[field.name].value for field in dataclasses.fields(cls)}
    return {name: value for name, value in values.items() if value is not None}
