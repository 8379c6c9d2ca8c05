"""Check that the finished folds of a cross-validation have one environment and one data set.

A cross-validation takes days, and its folds are processes: between two of them a user may install
another JAX or add a patient. `mrjax.runs` compares the settings, which do not show such a change.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.arrays import DcePatient
from mrjax.errors import UserError
from mrjax.runs import atomic, environment, jsonfile, result
from mrjax.runs.folder import RunFolder
from mrjax.runs.text import listed
from mrjax.tasks import unchanged

_ADVICE = "remove the fold's folder to do it again"


class Agreement:
    """The folds added so far, each compared with the first fold that has the same facts."""

    def __init__(self, path: Path, allow_mixed: bool) -> None:
        """Begin without folds.

        Args:
            path: folder of the cross-validation.
            allow_mixed: whether code and environment may differ between folds.
        """
        self._path, self._allow_mixed = path, allow_mixed
        self._first: tuple[str, Mapping[str, Any]] | None = None
        self._data: dict[int, tuple[list[str], str]] = {}
        self._fold_of: dict[str, int] = {}

    def add(self, name: str, fold: int) -> None:
        """Compare one more finished fold with the folds before it.

        Args:
            name: path of its folder inside the folder of the cross-validation.
            fold: its number, the same in every repetition.

        Raises:
            UserError: the fold has other code or another environment, unless these may be mixed,
                or other patients.
        """
        for found in _environments(self._path / name):
            self._compare(name, found)
        content = result.read(self._path / name)
        self._add_patients(name, fold, content["subjects"], content["digests"]["data"])

    def _compare(self, name: str, found: Mapping[str, Any]) -> None:
        if self._first is None:
            self._first = name, found
        first, there = self._first
        differing = environment.differences(there, found)
        if differing and not self._allow_mixed:
            raise UserError(
                f"{self._path} mixes folds from different environments ({first} there, {name} "
                f"here: {listed(differing)}); expected the same code and environment; go "
                "back to them and remove the folders of the folds that differ, choose another "
                "--workdir, or mix knowingly with --allow_mixed"
            )

    def _add_patients(self, name: str, fold: int, patients: list[str], digest: str) -> None:
        if self._data.setdefault(fold, (patients, digest)) != (patients, digest):
            self._refuse(f"{name} has others than fold {fold} of an earlier repetition")
        for patient in patients:
            if self._fold_of.setdefault(patient, fold) != fold or patients.count(patient) > 1:
                self._refuse(f"{patient} is held out more than once, again in {name}")

    def _refuse(self, what: str) -> None:
        raise UserError(
            f"{self._path} was begun with other patients ({what}); expected unchanged files; "
            "restore them or use another --workdir"
        )


def of_patients(train: Sequence[DcePatient], test: Sequence[DcePatient]) -> str:
    """Return sha256 of all patients of a fold."""
    return unchanged.of_subjects(
        train, test, lambda p: {"signal": p.signal, "times": p.times, "mask": p.mask}
    )


def of_geometry(train: Sequence[DcePatient], test: Sequence[DcePatient]) -> str:
    """Return sha256 of what belongs to the patients of a fold beside their arrays."""
    return unchanged.of_geometry(train, test, ("signal", "times", "mask"))


def present_data(
    path: Path, names: Sequence[str], patients: Sequence[DcePatient]
) -> dict[str, unchanged.Digests]:
    """Return what the digests of the data of finished folds would be today.

    Args:
        path: folder of the cross-validation.
        names: paths of the folds' folders inside it; each fold's record says whom it held out.
        patients: all patients, as their files hold them now.

    Returns:
        The digests of the patients of each fold, by its path.
    """
    found = {}
    for name in names:
        held = set(result.read(path / name)["subjects"])
        test = [p for p in patients if p.name in held]
        train = [p for p in patients if p.name not in held]
        found[name] = unchanged.Digests(of_patients(train, test), of_geometry(train, test))
    return found


def known_backend(path: Path) -> dict[str, Any]:
    """Return the framework's record of a cross-validation's folds; empty before the first fold."""
    folder = RunFolder(path)
    if not os.path.isfile(folder.environment):  # noqa: PTH113 is_file raises for odd paths
        return {}
    backend = _environments(path)[-1].get("backend")
    return backend if isinstance(backend, dict) else {}


def keep_backend(folder: RunFolder, name: str) -> None:
    """Copy a fold's record of its framework to the cross-validation, which runs no framework."""
    if known_backend(folder.path):
        return
    backend = _environments(folder.path / name)[-1].get("backend", {})
    record = jsonfile.read(folder.environment, "the environment of the run", _ADVICE)
    for part in (record, *record.get("resumed_with", [])):
        part["backend"] = backend
    atomic.write_json(folder.environment, record)


def _environments(path: Path) -> list[dict[str, Any]]:
    """Return the environments in which a run began and was continued."""
    record = jsonfile.read(RunFolder(path).environment, "the environment of the run", _ADVICE)
    return [record, *record.get("resumed_with", [])]
