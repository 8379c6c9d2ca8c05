"""The subjects of a QSM run: where they come from, and which of them are held out."""

from collections.abc import Callable
from typing import Protocol

from mrjax.data import sources
from mrjax.data.formats import border
from mrjax.data.intake import Intake
from mrjax.data.synthetic import Split, synthetic_split
from mrjax.errors import UserError


class Config(Protocol):
    """The fields of a run's configuration that choose its subjects.

    Attributes:
        dataset: synthetic, tfds, qsmnet_mat, qsmnet_hdf5 or nifti.
        data_dir: where the files are; not used by synthetic.
        unit: unit of the field in the files: ppm, Hz or rad.
        field_strength: B0 [T], for Hz and rad.
        echo_time: [s], for rad.
        n_train: synthetic brains to train on.
        n_test: synthetic brains, or (nifti, qsmnet_hdf5) last subjects, held out; 0: all.
        volume: edge of a synthetic brain's volume [voxels].
    """

    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def data_dir(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def field_strength(self) -> float: ...  # noqa: D102
    @property
    def echo_time(self) -> float: ...  # noqa: D102
    @property
    def n_train(self) -> int: ...  # noqa: D102
    @property
    def n_test(self) -> int: ...  # noqa: D102
    @property
    def volume(self) -> int: ...  # noqa: D102
    def seed_for(self, stream: str) -> int: ...  # noqa: D102


def subjects(config: Config, *, need_train: bool = True, intake: Intake | None = None) -> Split:
    """The training and the held-out subjects of a run.

    | dataset | training subjects | held-out subjects |
    |---|---|---|
    | synthetic | `n_train` brains from keys | `n_test` brains, independent of `n_train` |
    | tfds | split `train` of the built data set | split `test` |
    | qsmnet_mat | all of Train/ | all of Test/ |
    | qsmnet_hdf5 | all patches | volumes of Test/ where present, else the last `n_test` patches |
    | nifti | all but the last `n_test` by name | the last `n_test` by name |

    Args:
        config: the fields of `Config`.
        need_train: False where a trained network only infers: no training subject is made, read
            or asked for.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        (training, held-out) subjects; the first is empty only without need_train.

    Raises:
        UserError: no --data_dir, a missing or unusable file, or an empty split.
    """
    intake = Intake() if intake is None else intake
    return sources.divided(config, SOURCES, need_train, "subjects", intake)


def _synthetic(config: Config, need_train: bool, intake: Intake) -> Split:
    return synthetic_split(
        config.n_train if need_train else 0,
        config.n_test,
        config.volume,
        config.seed_for("data"),
        config.seed_for("noise"),
    )


def _tfds(config: Config, need_train: bool, intake: Intake) -> Split:
    from mrjax.data import builders  # TFDS takes a second to import

    found = builders.load(sources.folder(config, or_file=True))
    for one in (*found[0], *found[1]):
        border.checked_subject(name=one.name, field=one.field, chi=one.chi, mask=one.mask)
    return found


def _qsmnet_mat(config: Config, need_train: bool, intake: Intake) -> Split:
    from mrjax.data.formats import qsmnet

    _require_ppm(config)
    data_dir = sources.folder(config, or_file=True)
    if need_train:
        return qsmnet.qsmnet_mat(data_dir, intake)
    for name in qsmnet.names_of_train(data_dir):
        intake.leave_out(name, "of Train/, which --steps=0 does not use")
    return [], qsmnet.read_test(data_dir, intake)


def _qsmnet_hdf5(config: Config, need_train: bool, intake: Intake) -> Split:
    from mrjax.data.formats import qsmnet, qsmnet_hdf5

    _require_ppm(config)
    data_dir = sources.folder(config, or_file=True)
    patches = qsmnet_hdf5.qsmnet_patches(data_dir, intake)
    test = qsmnet.read_test(data_dir, intake) if data_dir.is_dir() else []
    if test:
        return patches, test
    # A patch without a voxel of the brain can be trained on but not be judged.
    inside = [patch for patch in patches if patch.mask.any()]
    for patch in patches:
        if not patch.mask.any():
            intake.leave_out(patch.name, "no voxel inside its mask")
    return sources.hold_out(inside, config.n_test, need_train, intake)


def _nifti(config: Config, need_train: bool, intake: Intake) -> Split:
    from mrjax.data.formats import nifti

    found = nifti.nifti(
        sources.folder(config, or_file=True),
        config.unit,
        field_strength=config.field_strength,
        echo_time=config.echo_time,
        intake=intake,
    )
    return sources.hold_out(found, config.n_test, need_train, intake)


SOURCES: dict[str, Callable[[Config, bool, Intake], Split]] = {
    "synthetic": _synthetic,
    "tfds": _tfds,
    "qsmnet_mat": _qsmnet_mat,
    "qsmnet_hdf5": _qsmnet_hdf5,
    "nifti": _nifti,
}


def _require_ppm(config: Config) -> None:
    if config.unit not in ("", "ppm"):
        raise UserError(
            f"--unit={config.unit} does not fit --dataset={config.dataset}, which holds ppm by "
            "definition; expected ppm; drop --unit or convert the files"
        )
