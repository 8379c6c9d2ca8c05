"""The folders of fastMRI: multicoil_train and multicoil_val, or one folder of files."""

import filecmp
from collections.abc import Sequence
from pathlib import Path

from mrjax.data.formats import fastmri, found
from mrjax.data.intake import Intake
from mrjax.data.words import text
from mrjax.errors import UserError


def divided(
    data_dir: Path, need_train: bool, intake: Intake
) -> tuple[list[Path], list[Path]] | None:
    """The files to train on and those held out, where folders divide them.

    A file of one name in both folders counts as two volumes if the contents differ.

    Args:
        data_dir: folder that may hold multicoil_train and multicoil_val.
        need_train: False where a trained network only infers: no file is trained on.
        intake: the run's account, which is told of files that are not read.

    Returns:
        (training, held-out) files; None where one of the two folders is missing.

    Raises:
        UserError: a folder without files, or one file in both of them.
    """
    train, test = data_dir / "multicoil_train", data_dir / "multicoil_val"
    if not (train.is_dir() and test.is_dir()):
        _note_others(data_dir, [data_dir], intake)
        return None
    _note_others(data_dir, [train, test], intake)
    if not need_train:
        for path in found.inside(train, fastmri.SUFFIXES):
            intake.note("files of multicoil_train are not read with --steps=0", path.name)
    first = fastmri.files(train) if need_train else []
    last = fastmri.files(test)
    _tell_apart(first, last, intake)
    return first, last


def _tell_apart(train: Sequence[Path], test: Sequence[Path], intake: Intake) -> None:
    """Refuse a file that stands in both folders; note two files of one name."""
    held_out = {text(path.stem): path for path in test}
    for path in train:
        other = held_out.get(text(path.stem))
        if other is None:
            continue
        if filecmp.cmp(path, other, shallow=False):
            raise UserError(
                f"{path} and {other} are the same file, so the network would be judged on what it "
                "was trained with; expected different volumes; remove one of them"
            )
        intake.note(
            "files of one name in multicoil_train and multicoil_val count as two volumes, since "
            "their contents differ",
            path.name,
        )


def _note_others(data_dir: Path, read: Sequence[Path], intake: Intake) -> None:
    """Say which files lie in other folders below data_dir than in those that are read."""
    try:
        every = found.below(data_dir, fastmri.SUFFIXES)
    except UserError:  # of a folder that is not read anyway, or said when it is read
        return
    for path in every:
        if path.parent not in read:
            of = path.relative_to(data_dir).as_posix()
            intake.note("files in other folders below --data_dir are not read", of)
