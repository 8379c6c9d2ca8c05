"""What the builders share: the writer whose bytes are always the same, splits, choices."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters, writer
from tensorflow_datasets.proto import tf_example_pb2

from mrjax.data.synthetic import FIRST_TEST_INDEX

FILE_FORMAT = file_adapters.FileFormat.ARRAY_RECORD  # TFDS's default, tfrecord, needs TensorFlow


class SortedWriter(writer.ExampleWriter):
    """Writes every example with its fields in order of their names.

    Protocol buffers serialise maps in an order that changes from process to process, so plain TFDS
    never writes the same shard twice.
    """

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        """Write the examples to one shard; what TFDS calls."""
        return super().write(path, ((key, in_order(value)) for key, value in examples))


def in_order(value: bytes) -> bytes:
    """A serialised example with its fields in order of their names."""
    example = tf_example_pb2.Example.FromString(value)  # type: ignore[attr-defined]
    return example.SerializeToString(deterministic=True)


@dataclasses.dataclass(kw_only=True, eq=False)
class Choice(tfds.core.BuilderConfig):
    """Which subjects a data set holds.

    The name spells every choice out, so that two different data sets never share a folder.

    Attributes:
        n_train: subjects in the split `train`.
        n_test: subjects in the split `test`, the same whatever n_train is.
        seed_data: seed of the stream `data`.
        seed_noise: seed of the stream `noise`.
    """

    name: str = ""
    n_train: int = 24
    n_test: int = 4
    seed_data: int = 0
    seed_noise: int = 0

    def __post_init__(self) -> None:
        """Name the configuration after its values."""
        self.name = (
            f"train{self.n_train}_test{self.n_test}_{self.size()}"
            f"_data{self.seed_data}_noise{self.seed_noise}"
        )

    def size(self) -> str:
        """The part of the name that says how large a subject is."""
        raise NotImplementedError


class Builder(tfds.core.GeneratorBasedBuilder):
    """A TFDS data set of synthetic subjects with the splits `train` and `test`."""

    VERSION = tfds.core.Version("1.0.0")
    TYPES: ClassVar[Mapping[str, type]] = {}

    @property
    def choice(self) -> Choice:
        """Which subjects this data set holds."""
        assert isinstance(self.builder_config, Choice)
        return self.builder_config

    def make(self, index: int) -> Any:
        """The subject of an index."""
        raise NotImplementedError

    @classmethod
    def checked(cls, example: dict[str, Any]) -> dict[str, Any]:
        """An example of a built data set, if its arrays have the types of this builder's.

        Raises:
            ValueError: another program wrote the data set, or its features were changed.
        """
        for key, expected in cls.TYPES.items():
            held = np.asarray(example[key]).dtype if key in example else "missing"
            if held != expected:
                raise ValueError(f"{key} is {held}, not {np.dtype(expected)}")
        return example

    @staticmethod
    def example(subject: Any) -> dict[str, Any]:
        """A subject as TFDS stores it."""
        raise NotImplementedError

    @staticmethod
    def subject(example: dict[str, Any]) -> Any:
        """The inverse of `example`."""
        raise NotImplementedError

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager
        test = range(FIRST_TEST_INDEX, FIRST_TEST_INDEX + self.choice.n_test)
        return {
            "train": self._generate_examples(range(self.choice.n_train)),
            "test": self._generate_examples(test),
        }

    def _generate_examples(self, indices: range) -> Iterator[tuple[str, dict]]:
        for index in indices:
            subject = self.make(index)
            yield subject.name, self.example(subject)

    def _example_writer(self) -> writer.ExampleWriter:
        return SortedWriter(FILE_FORMAT)
