"""Fields of a config: how a field is declared, which type it has, which values it accepts.

The value of a field is an int, a float, a bool or a str; a field may also allow None.
"""

import dataclasses
import functools
import math
import types
import typing
from typing import Any

from mrjax.errors import UserError

STREAMS = ("init", "order", "patch", "mask", "noise", "data", "fold")
"""Named streams of random numbers; each has a seed flag of its own (see `mrjax.keys`)."""

MAX_SEED = 2**63 - 1


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    choices: tuple[str, ...] = (),
    digest: bool = True,
    spelled: bool = False,
    late: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare a field of a config, from which a flag is made.

    Args:
        default: value without flag and preset; None only for a field annotated ``| None``.
        help: meaning of the flag, without a full stop.
        unit: unit of the value, "" where it has none.
        choices: allowed values of a str field; () allows any.
        digest: False for a field that cannot change a result, such as the run folder.
        spelled: True for a field outside the digest without which a run cannot be repeated.
        late: True for a field that counts only where it differs from its default, because runs
            had digests before there was such a field.
        minimum: smallest allowed number.
        maximum: largest allowed number.

    Returns:
        A dataclass field (typed Any, as `dataclasses.field` is, to fit every annotation).
    """
    metadata = {
        "help": help,
        "unit": unit,
        "choices": choices,
        "digest": digest,
        "spelled": spelled,
        "late": late,
        "minimum": minimum,
        "maximum": maximum,
    }
    return dataclasses.field(default=default, metadata=metadata)


@functools.cache
def kinds(cls: type) -> dict[str, tuple[type, bool]]:
    """Return the type of each field and whether it may be None, read from the annotations."""
    hints = typing.get_type_hints(cls)
    return {field.name: _kind(hints[field.name]) for field in dataclasses.fields(cls)}


def _kind(hint: Any) -> tuple[type, bool]:
    """``int | None`` -> (int, True); ``int`` -> (int, False)."""
    if not isinstance(hint, types.UnionType):
        return hint, False
    (kind,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    return kind, True


def typed(name: str, value: Any, kind: type, optional: bool) -> Any:
    """Return the value as a `kind`; JSON and presets may write 1 for the float 1.0."""
    if value is None and optional:
        return None
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:  # not isinstance: True is an int
        raise ValueError(f"{name}={value!r} is not of type {kind.__name__}")
    return value


def check_value(field: dataclasses.Field, value: Any) -> None:
    """Refuse a value that is outside the field's choices or range, or that no flag file can hold.

    Raises:
        UserError: for such a value.
    """
    expected = _expectation(field, value)
    if expected:
        raise UserError(f"--{field.name}={value!r} is not allowed; expected {expected}; see --help")


def _expectation(field: dataclasses.Field, value: Any) -> str:
    """Return what the value should have been; "" for an allowed value."""
    choices, minimum, maximum = (field.metadata[key] for key in ("choices", "minimum", "maximum"))
    if value is None:
        return ""
    if isinstance(value, str):
        if choices and value not in choices:
            return "one of " + ", ".join(choice or '""' for choice in choices)
        clean = value == value.strip() and (value.isprintable())
        return "" if clean else "printable text without blanks at its ends"
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if minimum is not None and value < minimum:
        return f"at least {minimum}"
    if maximum is not None and value > maximum:
        return f"at most {maximum}"
    return ""
