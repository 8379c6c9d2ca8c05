"""Classes of resources of a cluster: which nodes the runs of an arm need from Slurm."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mrjax.errors import UserError
from mrjax.study.plan import arms

DEFAULT = "default"
_SPEC = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*:(.*)", re.DOTALL)
_TAKEN = ("array", "output", "error", "chdir", "job-name", "dependency", "parsable", "wait", "wrap")


class Resource(NamedTuple):
    """One class.

    Attributes:
        name: that arms refer to; "default" for those that refer to none.
        options: of sbatch, such as ``--partition=gpu``.
        python: interpreter on these nodes, "" for the present one.
    """

    name: str
    options: tuple[str, ...] = ()
    python: str = ""


def parse(specifications: Sequence[str]) -> dict[str, Resource]:
    """Read ``name: --partition=gpu --gres=gpu:1 python=/path/to/python``, once for each class.

    Returns:
        {name: class}; the default class is always there.

    Raises:
        UserError: one cannot be read, or sets what the launcher sets.
    """
    found = {DEFAULT: Resource(DEFAULT)}
    for text in specifications:
        match = _SPEC.fullmatch(text.strip().strip("\"'"))
        if not match:
            raise UserError(
                f"--resource={text} has no name; expected NAME: --partition=... --gres=...; "
                "see --help"
            )
        found[match[1]] = _resource(match[1], match[2])
    return found


def _resource(name: str, text: str) -> Resource:
    options, python = [], ""
    for word in arms.words(text):
        if word.startswith("python="):
            python = word.removeprefix("python=")
        elif not word.startswith("--"):
            raise UserError(
                f"--resource {name}: {word!r} is no option; expected --option=value of sbatch, or "
                "python=; correct it"
            )
        elif word.lstrip("-").partition("=")[0] in _TAKEN:
            raise UserError(
                f"--resource {name}: the launcher sets {word} itself; expected options that "
                "choose nodes; drop it"
            )
        else:
            options.append(word)
    return Resource(name, tuple(options), python)
