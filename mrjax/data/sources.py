"""What the data sets of all tasks have in common: the folder of the files, and two full splits."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from mrjax.data.intake import Intake
from mrjax.data.words import text
from mrjax.errors import UserError

_MEASURED = ("kspace", "field", "signal")
"""What a slice, a subject or a patient is made from."""
MADE = ("synthetic", "tfds")
"""Data sets whose examples mrjax made, each from a key of its own."""


class Config(Protocol):
    """The fields of a run's configuration that say where its data come from.

    Attributes:
        dataset: name of the source.
        data_dir: where the files are; not used by synthetic.
    """

    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def data_dir(self) -> str: ...  # noqa: D102


class Named(Protocol):
    """A subject, a slice or a patient."""

    @property
    def name(self) -> str: ...  # noqa: D102


T = TypeVar("T")
C = TypeVar("C", bound=Config)
N = TypeVar("N", bound=Named)


def divided(
    config: C,
    sources: Mapping[str, Callable[[C, bool, Intake], tuple[list[N], list[N]]]],
    need_train: bool,
    what: str,
    intake: Intake,
) -> tuple[list[N], list[N]]:
    """Training and held-out examples from the configuration's source.

    Args:
        config: names the source.
        sources: name to a function of configuration, need_train and the run's account.
        need_train: False where a trained network only infers; training examples that were read
            are then left out.
        what: the examples, in the plural, as people call them.
        intake: the run's account, which is told how many are used.

    Returns:
        (training, held-out) examples; the first is empty only without need_train.

    Raises:
        UserError: an unknown source, an empty split, or two examples of one name in a split.
    """
    if config.dataset not in sources:
        raise UserError(
            f"unknown data set {config.dataset!r}; expected one of {', '.join(sources)}; "
            "set --dataset"
        )
    train, test = sources[config.dataset](config, need_train, intake)
    for split, found in (("training", train or not need_train), ("held-out", test)):
        if not found:
            raise UserError(
                f"--dataset={config.dataset} gives no {split} {what}; expected at least one; "
                "add files, or change --n_train or --n_test"
            )
    check_names(train, what)
    check_names(test, what)
    if config.dataset not in MADE:
        note_copies([*train, *test], intake)
    if not need_train:
        for one in train:
            intake.leave_out(one.name, "to train on, which --steps=0 does not")
    intake.use(train if need_train else [], test, what)
    return train if need_train else [], test


def check_names(found: Sequence[Named], what: str) -> None:
    """UserError where two examples (`what`, in the plural) have the same name."""
    for name, number in Counter(one.name for one in found).items():
        if number > 1:
            raise UserError(
                f"{number} {what} are called {name}; expected distinct names; rename the files"
            )


def note_copies(found: Sequence[Named], intake: Intake) -> None:
    """Say so where two names stand for the same numbers.

    A copy of a file that is trained on, held out under another name, would be judged on what the
    network knows.

    Args:
        found: all subjects, slices or patients of a run.
        intake: the run's account.
    """
    first: dict[bytes, str] = {}
    for one in found:
        measured = np.ascontiguousarray(next(getattr(one, n) for n in _MEASURED if hasattr(one, n)))
        if not measured.any():
            continue  # patches outside the brain
        content = repr(measured.shape).encode() + hashlib.sha256(measured.data).digest()
        other = first.setdefault(content, one.name)
        if other != one.name:
            intake.note("two names stand for the same measured numbers", f"{other} = {one.name}")


def check_stems(paths: Sequence[Path]) -> None:
    """UserError where two files differ in nothing but the end of their name."""
    first: dict[str, Path] = {}
    for path in paths:
        other = first.setdefault(text(path.stem), path)
        if other != path:
            raise UserError(
                f"the files {other} and {path} would both be called {text(path.stem)}; expected "
                "distinct names; rename one of them"
            )


def hold_out(
    found: Sequence[T], n_test: int, need_train: bool, intake: Intake
) -> tuple[list[T], list[T]]:
    """Divide what a folder holds: the last ones are held out, the others are trained on.

    Args:
        found: subjects or files, in their order.
        n_test: how many are held out; 0: all of them.
        need_train: False where a trained network only infers; the others are then left out.
        intake: the run's account, which is told of those.

    Returns:
        (training, held-out) ones.
    """
    first = max(len(found) - n_test, 0) if n_test else 0
    if not need_train:
        for one in found[:first]:
            name = getattr(one, "name", one)
            intake.leave_out(str(name), f"not among the last --n_test={n_test}")
    return list(found[:first]) if need_train else [], list(found[first:])


def folder(config: Config, *, or_file: bool = False) -> Path:
    """Where the files are.

    Args:
        config: names the source and its folder.
        or_file: whether the source may also be a single file.

    Raises:
        UserError: none is given, or it does not exist.
    """
    if not config.data_dir:
        raise UserError(
            f"--dataset={config.dataset} reads files but --data_dir is not given; "
            "expected their directory; set --data_dir"
        )
    path = Path(config.data_dir)
    exists = os.path.exists if or_file else os.path.isdir  # Path's raise for odd paths
    if not exists(path):
        raise UserError(
            f"--data_dir={path} does not exist{'' if or_file else ' or is a file'}; expected the "
            f"directory with the files of --dataset={config.dataset}; correct the path"
        )
    return path
