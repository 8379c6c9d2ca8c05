"""A config as JSON, as a digest and as a flag file."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from mrjax.errors import UserError


class Declared(Protocol):
    """What serialisation needs of a config: it is a dataclass whose fields `option` made."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def preset(self) -> str:
        """Name of the preset from which the config was made."""
        ...


T = TypeVar("T", bound=Declared)


def to_json(config: Declared) -> dict[str, Any]:
    """Return every field, as JSON values."""
    return dataclasses.asdict(config)


def from_json(cls: type[T], values: Mapping[str, Any]) -> T:
    """Return the config that `to_json` wrote.

    A late field that is missing has its default, with which runs from before it were computed.

    Raises:
        UserError: other keys are missing, or some are unknown, because another version of mrjax or
            another experiment wrote them. No default is guessed, since it could describe another
            run.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    values = {**late_defaults(cls), **values}
    if names != set(values):
        odd = ", ".join(sorted(names ^ set(values)))
        raise UserError(
            f"this config was written by another version of mrjax or for another experiment "
            f"(differs in: {odd}); expected the fields of {cls.__name__}; start a new run"
        )
    return cls(**values)


def late_defaults(cls: type[Declared]) -> dict[str, Any]:
    """Return {name: default} of the fields that older runs were computed without."""
    return {f.name: f.default for f in dataclasses.fields(cls) if f.metadata["late"]}


def digest(config: Declared) -> str:
    """Return the sha256, as hex, of the digest fields as canonical JSON; it names the run.

    Canonical JSON has sorted keys, no blanks, ASCII only, and floats as the shortest exact decimal.
    """
    text = json.dumps(_counting(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def digest_fields(cls: type[Declared]) -> tuple[str, ...]:
    """Return the names of the fields that can change a result."""
    return tuple(field.name for field in dataclasses.fields(cls) if field.metadata["digest"])


def _counting(config: Declared) -> dict[str, Any]:
    """Return the values of the digest fields, late ones only where they are set."""
    counting = [field for field in dataclasses.fields(config) if field.metadata["digest"]]
    values = {field.name: getattr(config, field.name) for field in counting}
    late = late_defaults(type(config))
    return {k: v for k, v in values.items() if k not in late or v != late[k]}


def to_flags(config: Declared) -> str:
    """Return the config as a flag file with every digest field, so that presets may change.

    Fields that are None are left out, because None means that the flag is not set. Fields outside
    the digest are added where they are set and the run could not be repeated without them.
    """
    values = _counting(config)
    spelled = [f.name for f in dataclasses.fields(config) if f.metadata["spelled"]]
    values |= {name: getattr(config, name) for name in spelled if getattr(config, name)}
    lines = [to_argument(name, value) for name, value in values.items() if value is not None]
    header = [f"# config digest {digest(config)}", f"# made from --preset={config.preset}"]
    return "\n".join(header + lines) + "\n"


def to_argument(name: str, value: Any) -> str:
    """Return one command line argument, ``--name=value``."""
    return f"--{name}={text(value)}"


def text(value: Any) -> str:
    """Write a value as it follows ``--flag=``; a float as its shortest exact decimal."""
    return str(value).lower() if isinstance(value, bool) else str(value)
