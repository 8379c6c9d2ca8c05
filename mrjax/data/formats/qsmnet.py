"""Volumes in the layout of the QSMnet authors' repository.

    Train/Input/train_input<n>.mat   phs_tissue   [x y z] or [x y z direction]   [ppm]
    Train/Input/train_mask<n>.mat    mask         [x y z] or [x y z direction]
    Train/Label/train_label<n>.mat   chi_cosmos   [x y z] or [x y z direction]   [ppm]
    Test/Input/test_input<n>.mat     phs_tissue, mask
    Test/Label/test_label<n>.mat     chi_cosmos   (ours: the authors ship no readable label)

n counts from 1. B0 is along the third axis and voxels are cubes of 1 mm.

Source: SNU-LIST/QSMnet, Code/training_data_patch.py and Code/inference.py.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io

from mrjax.arrays import QsmSubject
from mrjax.data.formats import border, matlab
from mrjax.data.formats.border import of_number
from mrjax.data.intake import Intake
from mrjax.data.patches import chi_of
from mrjax.data.plausible import spread
from mrjax.errors import UserError

FIELD, CHI, MASK = "phs_tissue", "chi_cosmos", "mask"


def qsmnet_mat(
    data_dir: Path, intake: Intake | None = None
) -> tuple[list[QsmSubject], list[QsmSubject]]:
    """All subjects of a folder in the authors' layout; each head direction is a subject.

    Args:
        data_dir: folder that holds Train/ and Test/, or a Data/ folder with both.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        (training, test) subjects in the order of their numbers. A test subject without a label
        file has no chi. Either list may be empty, not both.

    Raises:
        UserError: no such folder, no subject in it, a file or a variable missing, or a volume that
            cannot be used.
    """
    border.require_directory(data_dir)
    intake = Intake() if intake is None else intake
    train, test = read_train(data_dir, intake), read_test(data_dir, intake)
    if not train and not test:
        raise UserError(
            f"no subjects in {data_dir}; expected Train/Input/train_input1.mat and so on; "
            "point --data_dir at the folder that holds Train and Test"
        )
    return train, test


def read_train(data_dir: Path, intake: Intake) -> list[QsmSubject]:
    """The training subjects of the layout; none where the folder has no Train/Input."""
    train = _root(data_dir) / "Train"
    subjects = []
    for number, path in border.numbered(train / "Input", "train_input"):
        mask = matlab.read(of_number(train / "Input", "train_mask", number), MASK, intake=intake)
        chi = matlab.read(of_number(train / "Label", "train_label", number), CHI, intake=intake)
        field = matlab.read(path, FIELD, intake=intake)
        subjects += _directions(f"train{number}", field, chi, mask, intake)
    _account(train, "train", {"mask": "Input", "label": "Label"}, intake)
    return subjects


def names_of_train(data_dir: Path) -> list[str]:
    """Names of the training files, by number, which may hold several head directions each."""
    return [f"train{n}" for n, _ in border.numbered(_root(data_dir) / "Train/Input", "train_input")]


def read_test(data_dir: Path, intake: Intake | None = None) -> list[QsmSubject]:
    """The test subjects of the layout; none where the folder has no Test/Input."""
    intake = Intake() if intake is None else intake
    test = _root(data_dir) / "Test"
    subjects = []
    for number, path in border.numbered(test / "Input", "test_input"):
        label = of_number(test / "Label", "test_label", number)
        chi = matlab.read(label, CHI, intake=intake) if label.exists() else None
        field = matlab.read(path, FIELD, intake=intake)
        mask = matlab.read(path, MASK, intake=intake)
        subjects += _directions(f"test{number}", field, chi, mask, intake)
    _account(test, "test", {"label": "Label"}, intake)
    return subjects


def write_qsmnet_mat(
    subjects: Sequence[QsmSubject], data_dir: Path, *, test: Sequence[QsmSubject] = ()
) -> None:
    """Write subjects in the authors' layout, numbered from 1 in their order.

    The layout holds neither voxel size nor field direction, so only what it implies is accepted.

    Args:
        subjects: training subjects, each with chi.
        data_dir: folder to write into; made if absent.
        test: test subjects; a label file is written for those with chi.

    Raises:
        UserError: a training subject without chi, voxels that are no cubes (the dipole kernel of
            cubes does not depend on their size), or a field that is not along the third axis.
    """
    for subject in (*subjects, *test):
        _check_geometry(subject)
    for number, subject in enumerate(subjects, 1):
        chi = chi_of(subject)
        _save(data_dir / "Train/Input" / f"train_input{number}.mat", {FIELD: subject.field})
        _save(data_dir / "Train/Input" / f"train_mask{number}.mat", {MASK: subject.mask})
        _save(data_dir / "Train/Label" / f"train_label{number}.mat", {CHI: chi})
    for number, subject in enumerate(test, 1):
        inputs = {FIELD: subject.field, MASK: subject.mask}
        _save(data_dir / "Test/Input" / f"test_input{number}.mat", inputs)
        if subject.chi is not None:
            _save(data_dir / "Test/Label" / f"test_label{number}.mat", {CHI: subject.chi})


def _root(data_dir: Path) -> Path:
    return data_dir / "Data" if (data_dir / "Data").is_dir() else data_dir


def _account(folder: Path, stem: str, others: dict[str, str], intake: Intake) -> None:
    """Leave out, in words, the masks and labels of subjects that have no input."""
    inputs = {number for number, _ in border.numbered(folder / "Input", f"{stem}_input")}
    for kind, place in others.items():
        for number, path in border.numbered(folder / place, f"{stem}_{kind}"):
            if number not in inputs:
                intake.leave_out(path.name, f"no {stem}_input of that number beside it")


def _directions(
    name: str, field: np.ndarray, chi: np.ndarray | None, mask: np.ndarray, intake: Intake
) -> list[QsmSubject]:
    found = _checked(name, field, chi, mask, intake)
    for one in found:
        border.check_spread(one, spread.field_units(), intake)
    return found


def _checked(
    name: str, field: np.ndarray, chi: np.ndarray | None, mask: np.ndarray, intake: Intake
) -> list[QsmSubject]:
    if field.ndim == 3:
        return [border.checked_subject(name=name, field=field, chi=chi, mask=mask, intake=intake)]
    if field.ndim != 4:
        raise UserError(
            f"the field of {name} has {field.ndim} axes; expected x y z or x y z direction; "
            "save it again"
        )
    for kind, volume in (("chi", chi), ("mask", mask)):
        _check_directions(name, kind, volume, field.shape[3])
    return [
        border.checked_subject(
            name=f"{name}_direction{i + 1}",
            field=field[..., i],
            chi=None if chi is None else _direction(chi, i),
            mask=_direction(mask, i),
            intake=intake,
        )
        for i in range(field.shape[3])
    ]


def _check_directions(name: str, kind: str, volume: np.ndarray | None, expected: int) -> None:
    if volume is not None and volume.ndim > 3 and volume.shape[3] != expected:
        than = "fewer" if volume.shape[3] < expected else "more"
        raise UserError(
            f"the {kind} of {name} has {volume.shape[3]} directions, {than} than its field; "
            "expected one each, or one for all; save it again"
        )


def _direction(volume: np.ndarray, index: int) -> np.ndarray:
    return volume if volume.ndim < 4 else volume[..., index]  # else one for all directions


def _check_geometry(subject: QsmSubject) -> None:
    x, y, z = subject.voxel_size
    if max(abs(y / x - 1), abs(z / x - 1)) > 1e-3:
        raise UserError(
            f"{subject.name} has voxels of {x} x {y} x {z} mm, which the QSMnet layout cannot "
            "say; expected cubes; resample the volumes"
        )
    if abs(subject.b0_direction[2]) < 1 - 1e-6:
        raise UserError(
            f"{subject.name} has B0 along {subject.b0_direction}, which the QSMnet layout cannot "
            "say; expected (0, 0, 1); rotate the volumes"
        )


def _save(path: Path, variables: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {k: v.astype(np.uint8) if v.dtype == bool else v for k, v in variables.items()}
    scipy.io.savemat(path, stored, do_compression=True)
