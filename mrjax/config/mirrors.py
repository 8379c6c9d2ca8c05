"""A config as JSON, as a digest, as a flag file."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from mrjax.errors import UserError


class Declared(Protocol):
    """A config, as far as its mirrors look: a dataclass whose fields `option` made."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def preset(self) -> str:
        """Name of the set of values it was made from."""
        ...


T = TypeVar("T", bound=Declared)


def to_json(config: Declared) -> dict[str, Any]:
    """Every field, as JSON values."""
    return dataclasses.asdict(config)


def from_json(cls: type[T], values: Mapping[str, Any]) -> T:
    """The config that `to_json` wrote.

    Raises:
        UserError: where keys are missing or unknown: another version of mrjax wrote them, and
            guessing a default could change what the run was.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    if names != set(values):
        odd = ", ".join(sorted(names ^ set(values)))
        raise UserError(
            f"this config was written by another version of mrjax or for another experiment "
            f"(differs in: {odd}); expected the fields of {cls.__name__}; start a new run"
        )
    return cls(**values)


def digest(config: Declared) -> str:
    """Name of what was asked for: sha256, as hex, of the digest fields as canonical JSON.

    Canonical: keys sorted, no blanks, ASCII, floats by their shortest exact decimal.
    """
    values = {name: getattr(config, name) for name in digest_fields(type(config))}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def digest_fields(cls: type[Declared]) -> tuple[str, ...]:
    """Names of the fields that can change a result."""
    return tuple(field.name for field in dataclasses.fields(cls) if field.metadata["digest"])


def to_flags(config: Declared) -> str:
    """The config as a flag file: every digest field spelled out, so that presets may change.

    Fields that are None are left out, since unset is what they mean. Of the other fields those
    are added without which the run could not be repeated, where they are set.
    """
    values = {name: getattr(config, name) for name in digest_fields(type(config))}
    spelled = [f.name for f in dataclasses.fields(config) if f.metadata["spelled"]]
    values |= {name: getattr(config, name) for name in spelled if getattr(config, name)}
    lines = [to_argument(name, value) for name, value in values.items() if value is not None]
    header = [f"# config digest {digest(config)}", f"# made from --preset={config.preset}"]
    return "\n".join(header + lines) + "\n"


def to_argument(name: str, value: Any) -> str:
    """One command line argument, ``--name=value``."""
    return f"--{name}={text(value)}"


def text(value: Any) -> str:
    """A value as it is written after ``--flag=``; floats by their shortest exact decimal."""
    return str(value).lower() if isinstance(value, bool) else str(value)
