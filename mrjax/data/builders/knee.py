"""Synthetic multi-coil knee slices as a TFDS data set."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from mrjax.arrays import SenseSlice
from mrjax.data.builders.records import Builder, Choice
from mrjax.physics.phantoms import knee


@dataclasses.dataclass(kw_only=True, eq=False)
class Knees(Choice):
    """Which knees a data set holds.

    Attributes:
        rows: of a slice, along the readout [pixels].
        columns: of a slice, along the phase encoding [pixels].
        coils: number of receive coils.
    """

    rows: int = 96
    columns: int = 96
    coils: int = 6

    def size(self) -> str:
        """The part of the name that says how large a slice is."""
        return f"coils{self.coils}_rows{self.rows}_columns{self.columns}"


class KneeSlices(Builder):
    """Synthetic multi-coil knee slices as a TFDS data set with the splits `train` and `test`."""

    TYPES: ClassVar[Mapping[str, type]] = dict.fromkeys(
        ("kspace", "maps", "reference"), np.complex64
    )
    BUILDER_CONFIGS = [Knees()]  # noqa: RUF012  (TFDS's interface)

    @property
    def choice(self) -> Knees:
        """Which knees this data set holds."""
        assert isinstance(self.builder_config, Knees)
        return self.builder_config

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (self.choice.coils, self.choice.rows, self.choice.columns)
        # encoding="bytes": the only one that holds complex numbers, and exactly.
        coils = tfds.features.Tensor(shape=shape, dtype=np.complex64, encoding="bytes")
        image = tfds.features.Tensor(shape=shape[1:], dtype=np.complex64, encoding="bytes")
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Synthetic knees: fully sampled k-space and coil sensitivity maps (coil, row, "
                "column), reference image (row, column); zero frequency at n // 2, readout along "
                "rows."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "kspace": coils,
                    "maps": coils,
                    "reference": image,
                }
            ),
        )

    def make(self, index: int) -> SenseSlice:
        """The knee of an index."""
        choice = self.choice
        shape = (choice.rows, choice.columns)
        return knee.knee(
            choice.seed_data, choice.seed_noise, index, shape=shape, coils=choice.coils
        )

    @staticmethod
    def example(subject: SenseSlice) -> dict[str, Any]:
        """A knee as TFDS stores it."""
        return {
            "name": subject.name,
            "kspace": subject.kspace,
            "maps": subject.maps,
            "reference": subject.reference,
        }

    @staticmethod
    def subject(example: dict[str, Any]) -> SenseSlice:
        """The inverse of `example`."""
        return SenseSlice(
            name=example["name"].decode(),
            kspace=example["kspace"],
            maps=example["maps"],
            reference=example["reference"],
        )
