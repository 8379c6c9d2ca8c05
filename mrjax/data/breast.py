"""The patients of a breast run: where they come from, and what is checked before it starts.

This module imports no JAX at its top, since a cross-validation looks at its patients in a process
that does not compute.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from mrjax.arrays import DcePatient
from mrjax.data import sources
from mrjax.data.formats import dce, dce_nifti
from mrjax.data.intake import Intake
from mrjax.errors import UserError


class Config(Protocol):
    """The fields of a run's configuration that choose its patients.

    Attributes:
        dataset: synthetic, nifti or mat.
        data_dir: where the files are; not used by synthetic.
        n_patients: synthetic patients.
        rows: voxels of a synthetic patient from left to right.
        columns: voxels from back to front.
        slices: axial slices.
        accept: checks that the user overrules.
    """

    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def data_dir(self) -> str: ...  # noqa: D102
    @property
    def n_patients(self) -> int: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def columns(self) -> int: ...  # noqa: D102
    @property
    def slices(self) -> int: ...  # noqa: D102
    @property
    def accept(self) -> str: ...  # noqa: D102
    def seed_for(self, stream: str) -> int: ...  # noqa: D102


def patients(config: Config, intake: Intake | None = None) -> list[DcePatient]:
    """All patients of a run, in a fixed order.

    Args:
        config: the fields of `Config`.
        intake: the run's account; by default one that is not kept.

    Returns:
        Patients, those without a mask included.

    Raises:
        UserError: no --data_dir, a missing or unusable file, or two patients of one name.
    """
    intake = intake or Intake.insisting(config.accept)
    found = SOURCES[config.dataset](config, intake)
    names = [p.name for p in found]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"two patients are called {name}; expected distinct names; rename the files"
            )
    if config.dataset not in sources.MADE:
        sources.note_copies(found, intake)
    return found


def check_cross_validation(config: Config, folds: int) -> None:
    """Find a cross-validation's mistakes before its first run starts.

    Args:
        config: the fields of `Config`.
        folds: number of folds.

    Raises:
        UserError: an unusable file, a patient without a mask, fewer patients than folds.
    """
    if config.dataset == "synthetic":
        check_folds(config.n_patients, folds)
        return
    found = patients(config)
    check_folds(len(found), folds)
    check_masks(found)


def check_folds(n_patients: int, folds: int) -> None:
    """UserError where there are fewer patients than folds."""
    if n_patients < folds:
        raise UserError(
            f"{n_patients} patients are fewer than --folds={folds}; expected at least one patient "
            "in every fold; lower --folds or add patients"
        )


def check_masks(found: Sequence[DcePatient]) -> None:
    """UserError for a patient without a mask to train on or to be judged by."""
    for patient in found:
        if patient.mask is None:
            raise UserError(
                f"patient {patient.name} has no mask; expected one to train on and to be judged "
                "by; add it, or infer only with --steps=0 --from_run"
            )


def _synthetic(config: Config, intake: Intake) -> list[DcePatient]:
    from mrjax.physics.phantoms import breast  # imports jax

    shape = (config.rows, config.columns, config.slices)
    data, noise = config.seed_for("data"), config.seed_for("noise")
    return [breast.breast(data, noise, i, shape) for i in range(config.n_patients)]


def _nifti(config: Config, intake: Intake) -> list[DcePatient]:
    return dce_nifti.dce_nifti(sources.folder(config, or_file=True), intake)


def _mat(config: Config, intake: Intake) -> list[DcePatient]:
    return dce.dce_mat(sources.folder(config, or_file=True), intake)


SOURCES: dict[str, Callable[[Config, Intake], list[DcePatient]]] = {
    "synthetic": _synthetic,
    "nifti": _nifti,
    "mat": _mat,
}
