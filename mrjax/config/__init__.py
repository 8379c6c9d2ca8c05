"""The configuration of a run: one frozen dataclass, from which flags, JSON and a digest follow.

A field is written once, with its default, help, unit and allowed values::

    steps: int = option(400, "Training steps", unit="steps", minimum=1)

It becomes a flag (``--steps=400``), a line of ``config.json`` and a part of the digest that names
the run. A value comes from the flag if given, else from the preset, else from the dataclass.
Nothing here imports JAX, because the command line must set XLA's flags first.
"""

from mrjax.config.fields import STREAMS, option
from mrjax.config.flags import define_flags, explicit, from_flags, help_text
from mrjax.config.mirrors import (
    digest,
    digest_fields,
    from_json,
    late_defaults,
    to_argument,
    to_flags,
    to_json,
)
from mrjax.config.run import COMPILED, RunConfig

__all__ = [
    "COMPILED",
    "STREAMS",
    "RunConfig",
    "define_flags",
    "digest",
    "digest_fields",
    "explicit",
    "from_flags",
    "from_json",
    "help_text",
    "late_defaults",
    "option",
    "to_argument",
    "to_flags",
    "to_json",
]
