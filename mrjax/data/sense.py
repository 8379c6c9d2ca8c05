"""The slices of a parallel-imaging run: where they come from, and how they are undersampled."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data import sources
from mrjax.data.formats.border import times
from mrjax.data.formats.multicoil import check
from mrjax.data.intake import Intake
from mrjax.data.synthetic import FIRST_TEST_INDEX, SliceSplit, knee_split
from mrjax.errors import UserError
from mrjax.physics import sampling

__all__ = ["FIRST_TEST_INDEX", "SOURCES", "Config", "Examples", "acquisition", "check", "slices"]

Acquisition = dict[str, np.ndarray]


class Config(Protocol):
    """The fields of a run's configuration that choose its slices and their sampling.

    Attributes:
        dataset: synthetic, tfds, hammernik, fastmri, ismrmrd or bart.
        data_dir: where the files are; not used by synthetic.
        maps: how coil sensitivity maps are estimated where the files have none: acs or espirit.
        acs_lines: fully sampled central columns.
        acceleration: columns for each column acquired.
        sampling: pattern of retrospective undersampling: regular or random.
        n_train: synthetic slices to train on.
        n_test: synthetic slices, or last patients (hammernik) or files (fastmri, ismrmrd, bart),
            held out; 0: all files.
        rows: of a synthetic slice [pixels].
        columns: of a synthetic slice [pixels].
        coils: of a synthetic slice.
        whole_readout: whether fastMRI's k-space keeps the rows that oversample the readout.
    """

    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def data_dir(self) -> str: ...  # noqa: D102
    @property
    def maps(self) -> str: ...  # noqa: D102
    @property
    def acs_lines(self) -> int: ...  # noqa: D102
    @property
    def acceleration(self) -> int: ...  # noqa: D102
    @property
    def sampling(self) -> str: ...  # noqa: D102
    @property
    def n_train(self) -> int: ...  # noqa: D102
    @property
    def n_test(self) -> int: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def columns(self) -> int: ...  # noqa: D102
    @property
    def coils(self) -> int: ...  # noqa: D102
    @property
    def whole_readout(self) -> bool: ...  # noqa: D102
    def seed_for(self, stream: str) -> int: ...  # noqa: D102


def slices(config: Config, need_train: bool = True, intake: Intake | None = None) -> SliceSplit:
    """The training and the held-out slices of a run.

    | dataset | training slices | held-out slices |
    |---|---|---|
    | synthetic | `n_train` random knees | `n_test` knees, independent of `n_train` |
    | tfds | split `train` of the built data set | split `test` |
    | hammernik | all but the last `n_test` patients | the last `n_test` patients |
    | fastmri | all but the last `n_test` files | the last `n_test` files |
    | fastmri with subfolders | all of multicoil_train/ | all of multicoil_val/ |
    | ismrmrd | all but the last `n_test` files by name | the last `n_test` files |
    | bart | all but the last `n_test` files by name | the last `n_test` files |

    Files are read whole: of fastMRI and ISMRMRD, every slice of every file is held in memory at
    once, k-space and maps alike (a volume of 15 coils is some GB), so keep in the folder only
    what fits into memory.

    Args:
        config: the fields of `Config`.
        need_train: False where a trained network only infers: no training slice is made or read.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        (training, held-out) slices, each passed by `check`; the first is empty only without
        need_train.

    Raises:
        UserError: no --data_dir, a missing or unusable file, or an empty split.
    """
    intake = Intake() if intake is None else intake
    return sources.divided(config, SOURCES, need_train, "slices", intake)


def _synthetic(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    return knee_split(
        config.n_train if need_train else 0,
        config.n_test,
        (config.rows, config.columns),
        config.coils,
        config.seed_for("data"),
        config.seed_for("noise"),
    )


def _tfds(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    from mrjax.data import builders  # TFDS takes a second to import

    found = builders.load(sources.folder(config), "knee_slices")
    for one in (*found[0], *found[1]):
        check(one)
    return found


def _hammernik(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    from mrjax.data.formats import hammernik

    def read(patient: Path) -> list[SenseSlice]:
        return hammernik.read(patient, config.acceleration, intake)

    folders = hammernik.patients(sources.folder(config), intake)
    return _hold_out(folders, config.n_test, need_train, intake, read)


def _fastmri(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    from mrjax.data.formats import fastmri, fastmri_folders

    def read(path: Path) -> list[SenseSlice]:
        return fastmri.read(path, config.maps, config.acs_lines, intake, config.whole_readout)

    data_dir = sources.folder(config)
    folders = fastmri_folders.divided(data_dir, need_train, intake)
    if folders is None:
        return _hold_out(fastmri.files(data_dir), config.n_test, need_train, intake, read)
    first, last = folders
    return [s for path in first for s in read(path)], [s for path in last for s in read(path)]


def _ismrmrd(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    from mrjax.data.formats import ismrmrd

    def read(path: Path) -> list[SenseSlice]:
        return ismrmrd.read(path, config.maps, config.acs_lines, intake)

    paths = ismrmrd.files(sources.folder(config))
    return _hold_out(paths, config.n_test, need_train, intake, read)


def _bart(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    from mrjax.data.formats import bart

    def read(path: Path) -> list[SenseSlice]:
        return [bart.read(path, config.maps, config.acs_lines, intake)]

    paths = bart.files(sources.folder(config), intake)
    return _hold_out(paths, config.n_test, need_train, intake, read)


SOURCES: dict[str, Callable[[Config, bool, Intake], SliceSplit]] = {
    "synthetic": _synthetic,
    "tfds": _tfds,
    "hammernik": _hammernik,
    "fastmri": _fastmri,
    "ismrmrd": _ismrmrd,
    "bart": _bart,
}


def _hold_out(
    paths: Sequence[Path],
    n_test: int,
    need_train: bool,
    intake: Intake,
    read: Callable[[Path], list[SenseSlice]],
) -> SliceSplit:
    """Whole patients (or files) are held out: neighbouring slices of one look alike."""
    sources.check_stems(paths)
    first, last = sources.hold_out(paths, n_test, True, intake)
    if not need_train:  # the account counts slices, and how many these hold is not known
        for path in first:
            intake.note(f"patients or files not among the last --n_test={n_test}", path.name)
        first = []
    return [s for path in first for s in read(path)], [s for path in last for s in read(path)]


def acquisition(found: SenseSlice, config: Config, index: int) -> Acquisition:
    """What the scanner would have given: a slice with the columns of its mask only.

    The mask is the slice's own where the data set fixes one; otherwise it is drawn for `index`.

    Args:
        found: the slice.
        config: pattern, acceleration, ACS lines and the seed of the stream `mask`.
        index: number of the slice: its place among the training slices, and `FIRST_TEST_INDEX`
            more than its place among the held-out ones.

    Returns:
        `kspace` complex64 [coil row column], zero where not acquired; `maps` complex64 [coil row
        column]; `mask` float32 [column], 0 or 1; `reference` complex64 [row column], absent
        where the slice has none.

    Raises:
        UserError: a sampling pattern that cannot be, or k-space that is zero on all its columns.
    """
    return _acquired(found, _mask(found, config, index))


def _acquired(found: SenseSlice, mask: np.ndarray) -> Acquisition:
    kspace = np.where(mask, found.kspace, np.complex64(0))
    if not kspace.any():
        raise UserError(
            f"the k-space of {found.name} is zero in all columns of its undersampling mask; "
            "expected a signal; use the mask made for this data"
        )
    arrays = {"kspace": kspace, "maps": found.maps, "mask": mask.astype(np.float32)}
    return arrays if found.reference is None else {**arrays, "reference": found.reference}


def _mask(found: SenseSlice, config: Config, index: int) -> np.ndarray:
    if found.mask is not None:
        return found.mask
    if config.sampling not in ("regular", "random"):
        raise UserError(
            f"unknown sampling pattern {config.sampling!r}; expected regular or random; "
            "set --sampling"
        )
    return sampling.mask(
        config.sampling,  # pyright: ignore[reportArgumentType]  (str is narrowed above)
        config.seed_for("mask"),
        index,
        found.kspace.shape[2],
        config.acceleration,
        config.acs_lines,
    )


class Examples:
    """Training slices with their masks, undersampled when asked for; k-space is held once."""

    def __init__(self, found: Sequence[SenseSlice], config: Config, first_index: int = 0) -> None:
        """Check that the slices can be stacked.

        Args:
            found: slices with references.
            config: see `acquisition`.
            first_index: number of the first slice, the others follow.

        Raises:
            UserError: slices of different shapes, one without a reference, or as `acquisition`.
        """
        self._slices = list(found)
        self._masks = [_mask(one, config, first_index + i) for i, one in enumerate(self._slices)]
        for index, one in enumerate(self._slices):
            check_alike(self._slices[0], one)
            self.get(index)

    def __len__(self) -> int:
        """Number of slices."""
        return len(self._slices)

    def get(self, index: int) -> Acquisition:
        """One slice as `acquisition` gives it; 0 <= index < len."""
        return _acquired(self._slices[index], self._masks[index])

    def stack(self, indices: Iterable[int]) -> Acquisition:
        """Several slices as one batch.

        Args:
            indices: which slices, in this order.

        Returns:
            `kspace` and `maps` complex64 [b coil row column], `mask` float32 [b column],
            `reference` complex64 [b row column].
        """
        chosen = [self.get(index) for index in indices]
        return {name: np.stack([one[name] for one in chosen]) for name in chosen[0]}


def check_alike(first: SenseSlice, other: SenseSlice) -> None:
    """Raise UserError unless a slice can be trained on beside the first one."""
    if other.reference is None:
        raise UserError(
            f"slice {other.name} has no reference, being undersampled; expected fully sampled "
            "k-space to train on; leave the slice out"
        )
    if other.kspace.shape != first.kspace.shape:
        raise UserError(
            f"slice {first.name} has {times(first.kspace.shape)} coils x rows x columns, "
            f"{other.name} has {times(other.kspace.shape)}; expected equal shapes to train on; "
            "train on files of one shape"
        )
