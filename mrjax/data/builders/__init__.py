"""TFDS builders of the synthetic data: no TensorFlow, the same bytes on every build and CPU."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from mrjax.data.builders.brain import Brains, QsmBrain
from mrjax.data.builders.knee import Knees, KneeSlices
from mrjax.data.builders.records import FILE_FORMAT, Builder
from mrjax.data.formats import border
from mrjax.errors import UserError

__all__ = ["BUILDERS", "Brains", "KneeSlices", "Knees", "QsmBrain", "build", "load"]

T = TypeVar("T")

BUILDERS: dict[str, type[Builder]] = {
    "qsm_brain": QsmBrain,
    "knee_slices": KneeSlices,
}


def build(data_dir: Path, choice: Brains | Knees) -> Path:
    """Build the data set below a folder; a finished one is left as it is.

    Args:
        data_dir: folder of data sets, as TFDS has it.
        choice: which brains or knees.

    Returns:
        The folder of the data set.

    Raises:
        UserError: the folder cannot be written.
    """
    tfds.disable_progress_bar()
    kind = QsmBrain if isinstance(choice, Brains) else KneeSlices
    try:
        builder = kind(config=choice, data_dir=str(data_dir), file_format=FILE_FORMAT)
        builder.download_and_prepare()
    except OSError as error:
        raise UserError(
            f"cannot write a data set to {data_dir} ({error.strerror}); expected a writable "
            "folder; choose another --data_dir"
        ) from error
    return Path(builder.data_path)


def load(data_dir: Path, kind: str = "qsm_brain") -> tuple[list[Any], list[Any]]:
    """Read a built data set.

    Args:
        data_dir: the folder given to `build`, or any folder with one such data set inside; those
            of other kinds are passed over.
        kind: a name in `BUILDERS`.

    Returns:
        (training, test) subjects or slices, in the order in which they were made.

    Raises:
        UserError: no data set of this kind in the folder, or several.
    """
    every = sorted(path.parent for path in data_dir.rglob("features.json"))
    names = {folder: _name(folder) for folder in every}
    found = [folder for folder in every if names[folder] == kind]
    if every and not found:
        raise UserError(
            f"{every[0]} holds the data set {names[every[0]]}; expected {kind}; "
            "point --data_dir at another folder"
        )
    if len(found) != 1:
        raise UserError(
            f"{len(found)} TFDS data sets in {data_dir}; expected exactly one; build it with "
            f"python -m experiments.data --build={kind}, or point --data_dir at one of them"
        )
    return _guarded(lambda: _splits(found[0], kind), found[0])


def _splits(folder: Path, kind: str) -> tuple[list[Any], list[Any]]:
    builder = tfds.builder_from_directory(str(folder))
    return _split(builder, kind, "train"), _split(builder, kind, "test")


def _name(folder: Path) -> str:
    path = folder / "dataset_info.json"
    return _guarded(lambda: json.loads(path.read_text(encoding="utf-8"))["name"], folder)


def _guarded(function: Callable[[], T], folder: Path) -> T:
    try:
        return function()
    except UserError:
        raise
    except Exception as error:  # a damaged file raises nearly anything from TFDS
        raise UserError(
            f"the data set in {folder} cannot be read ({border.one_line(error)}); expected the "
            "files that python -m experiments.data --build wrote; build it again"
        ) from error


def _split(builder: tfds.core.DatasetBuilder, kind: str, split: str) -> list[Any]:
    if split not in builder.info.splits:  # TFDS writes no empty split
        return []
    source = builder.as_data_source(split=split)  # pyright: ignore[reportCallIssue]  (decorated)
    found = map(BUILDERS[kind].subject, map(BUILDERS[kind].checked, source))
    return sorted(found, key=lambda subject: (len(subject.name), subject.name))
