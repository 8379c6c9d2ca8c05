"""TFDS builder of the synthetic brains: no TensorFlow, the same bytes on every build and CPU."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters, writer
from tensorflow_datasets.proto import tf_example_pb2

from mrjax.arrays import QsmSubject
from mrjax.data.patches import chi_of
from mrjax.data.synthetic import FIRST_TEST_INDEX, Split
from mrjax.errors import UserError
from mrjax.physics.phantoms import brain

FILE_FORMAT = file_adapters.FileFormat.ARRAY_RECORD  # TFDS's default, tfrecord, needs TensorFlow


class SortedWriter(writer.ExampleWriter):
    """Writes every example with its fields in order of their names.

    Protocol buffers serialise maps in an order that changes from process to process, so plain TFDS
    never writes the same shard twice.
    """

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        """Write the examples to one shard; what TFDS calls."""
        return super().write(path, ((key, _sorted(value)) for key, value in examples))


def _sorted(value: bytes) -> bytes:
    example = tf_example_pb2.Example.FromString(value)  # type: ignore[attr-defined]
    return example.SerializeToString(deterministic=True)


@dataclasses.dataclass(kw_only=True, eq=False)
class Brains(tfds.core.BuilderConfig):
    """Which brains; the name spells every choice out, so different ones never share a folder.

    Attributes:
        n_train: brains in the split `train`.
        n_test: brains in the split `test`, the same whatever n_train is.
        volume: edge of the cubic volumes [voxels].
        seed_data: seed of the stream `data`.
        seed_noise: seed of the stream `noise`.
    """

    name: str = ""
    n_train: int = 24
    n_test: int = 4
    volume: int = 48
    seed_data: int = 0
    seed_noise: int = 0

    def __post_init__(self) -> None:
        """Name the configuration after its values."""
        self.name = (
            f"train{self.n_train}_test{self.n_test}_volume{self.volume}"
            f"_data{self.seed_data}_noise{self.seed_noise}"
        )


class QsmBrain(tfds.core.GeneratorBasedBuilder):
    """Synthetic brains as a TFDS data set with the splits `train` and `test`."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [Brains()]  # noqa: RUF012  (TFDS's interface)

    @property
    def brains(self) -> Brains:
        """Which brains this data set holds."""
        assert isinstance(self.builder_config, Brains)
        return self.builder_config

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (self.brains.volume,) * 3
        volume = tfds.features.Tensor(shape=shape, dtype=np.float32, encoding="bytes")
        vector = tfds.features.Tensor(shape=(3,), dtype=np.float64, encoding="bytes")
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Synthetic brains: susceptibility and local field in ppm, mask, voxel size in mm, "
                "B0 direction as a unit vector. Axes x y z."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "field": volume,
                    "chi": volume,
                    "mask": tfds.features.Tensor(shape=shape, dtype=np.bool_, encoding="bytes"),
                    "voxel_size": vector,
                    "b0_direction": vector,
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager
        brains = self.brains
        test = range(FIRST_TEST_INDEX, FIRST_TEST_INDEX + brains.n_test)
        return {
            "train": self._generate_examples(range(brains.n_train)),
            "test": self._generate_examples(test),
        }

    def _generate_examples(self, indices: range) -> Iterator[tuple[str, dict]]:
        brains = self.brains
        for index in indices:
            subject = brain.brain(
                brains.seed_data,
                brains.seed_noise,
                index,
                shape=(brains.volume, brains.volume, brains.volume),
            )
            yield subject.name, _example(subject)

    def _example_writer(self) -> writer.ExampleWriter:
        return SortedWriter(FILE_FORMAT)


def build(data_dir: Path, brains: Brains) -> Path:
    """Build the data set below a folder; a finished one is left as it is.

    Args:
        data_dir: folder of data sets, as TFDS has it.
        brains: which brains.

    Returns:
        The folder of the data set.

    Raises:
        UserError: the folder cannot be written.
    """
    tfds.disable_progress_bar()
    try:
        builder = QsmBrain(config=brains, data_dir=str(data_dir), file_format=FILE_FORMAT)
        builder.download_and_prepare()
    except OSError as error:
        raise UserError(
            f"cannot write a data set to {data_dir} ({error.strerror}); expected a writable "
            "folder; choose another --data_dir"
        ) from error
    return Path(builder.data_path)


def load(data_dir: Path) -> Split:
    """Read a built data set.

    Args:
        data_dir: the folder given to `build`, or any folder with one such data set inside.

    Returns:
        (training, test) subjects, in the order in which they were made.

    Raises:
        UserError: no data set in the folder, several, or one of another kind.
    """
    found = sorted(path.parent for path in data_dir.rglob("features.json"))
    if len(found) != 1:
        raise UserError(
            f"{len(found)} TFDS data sets in {data_dir}; expected exactly one; build it with "
            "python -m experiments.data --build=qsm_brain, or point --data_dir at one of them"
        )
    builder = tfds.builder_from_directory(str(found[0]))
    if builder.name != "qsm_brain":
        raise UserError(
            f"{found[0]} holds the data set {builder.name}; expected qsm_brain; "
            "point --data_dir at another folder"
        )
    return _split(builder, "train"), _split(builder, "test")


def _split(builder: tfds.core.DatasetBuilder, split: str) -> list[QsmSubject]:
    if split not in builder.info.splits:  # TFDS writes no empty split
        return []
    source = builder.as_data_source(split=split)  # pyright: ignore[reportCallIssue]  (decorated)
    return sorted(map(_subject, source), key=lambda subject: (len(subject.name), subject.name))


def _example(subject: QsmSubject) -> dict[str, Any]:
    return {
        "name": subject.name,
        "field": subject.field,
        "chi": chi_of(subject),
        "mask": subject.mask,
        "voxel_size": np.asarray(subject.voxel_size, np.float64),
        "b0_direction": np.asarray(subject.b0_direction, np.float64),
    }


def _subject(example: dict[str, Any]) -> QsmSubject:
    return QsmSubject(
        name=example["name"].decode(),
        field=example["field"],
        chi=example["chi"],
        mask=example["mask"],
        voxel_size=tuple(example["voxel_size"].tolist()),
        b0_direction=tuple(example["b0_direction"].tolist()),
    )
