"""The recipes that come with mrjax: flag files of studies, found by name.

They lie beside the programs, in ``experiments/recipes``, in a checkout and in an installed copy.
"""

from collections.abc import Sequence
from pathlib import Path

import mrjax
from mrjax.errors import UserError
from mrjax.runs.text import aligned

FOLDER = Path(mrjax.__file__).resolve().parents[1] / "experiments" / "recipes"
_FLAG = "--recipe"


def names() -> list[str]:
    """Names of all recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.flags"))


def title(name: str) -> str:
    """Return the first line of a recipe, which says what it is."""
    first = path(name).read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# What: ")


def path(name: str) -> Path:
    """Return the flag file of a recipe.

    Raises:
        UserError: there is none of that name.
    """
    if name not in names():
        raise UserError(
            f"--recipe={name} does not come with mrjax; expected one of {', '.join(names())}; "
            "for a file of your own use --flagfile=FILE"
        )
    return FOLDER / f"{name}.flags"


def replaced(argv: Sequence[str]) -> list[str]:
    """Return arguments with ``--recipe=NAME`` as the ``--flagfile`` it stands for.

    Raises:
        UserError: for a name that is no recipe's.
    """
    found = []
    for word in argv:
        flag, _, name = word.partition("=")
        found.append(f"--flagfile={path(name)}" if flag == _FLAG else word)
    return found


def table() -> str:
    """Return one line for each recipe: its name and what it is."""
    return "\n".join(aligned([(name, title(name)) for name in names()]))
