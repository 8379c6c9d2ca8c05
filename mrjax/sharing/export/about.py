"""What every format says about a network on its page: its task, its tensors, its sources."""

import json
from typing import NamedTuple

import mrjax
from mrjax.sharing.export.trained import Trained
from mrjax.tasks import registry

VERSION = "0.1.0"
"""Version of an exported network; whoever publishes a later one raises it."""
USE = "Research only; not for diagnosis."
NOT_STATED = "not stated"


class Asked(NamedTuple):
    """What the user says about an export.

    Attributes:
        size: lengths of the axes of an input; empty: any.
        author: whoever trained the network; empty: not stated.
        licence: SPDX identifier of the licence of the weights; empty: not stated.
    """

    size: tuple[int, ...] = ()
    author: str = ""
    licence: str = ""


def readme(found: Trained, asked: Asked, use: str) -> bytes:
    """Return the page of an export, as Markdown.

    Args:
        found: the network.
        asked: what the user says about it.
        use: how this format is used, as Markdown.
    """
    words = found.export
    tensors = "\n".join(f"- `{name}`: {text}" for name, text in words.texts.items())
    sources = "\n".join(f"- {one.text}, doi {one.doi}" for one in words.sources)
    text = f"""# {words.title}

{words.description}

{tensors}

{words.advice(found.config)}

## Use

{use}

## Validation

The test input was made from random numbers, not from a person. The test output was computed by
mrjax {mrjax.__version__} in JAX. The network was judged on held-out subjects of its training data
set ({found.config.dataset}); the run that trained it has the numbers.

## Origin

- task `{found.task}` of mrjax, {registry.TASKS[found.task].title}
- digest of the parameters: {found.digest or NOT_STATED}
- digest of the package: {found.package or "none; exported from a run folder"}
- trained by: {asked.author or NOT_STATED}
- licence of the weights: {asked.licence or NOT_STATED}; the code in this folder is Apache-2.0
- {USE}

{sources}
"""
    return text.encode()


def as_json(content: object) -> bytes:
    """Return indented JSON."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()
