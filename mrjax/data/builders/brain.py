"""Synthetic brains as a TFDS data set."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from mrjax.arrays import QsmSubject
from mrjax.data.builders.records import Builder, Choice
from mrjax.data.patches import chi_of
from mrjax.physics.phantoms import brain


@dataclasses.dataclass(kw_only=True, eq=False)
class Brains(Choice):
    """Which brains a data set holds.

    Attributes:
        volume: edge of the cubic volumes [voxels].
    """

    volume: int = 48

    def size(self) -> str:
        """The part of the name that says how large a volume is."""
        return f"volume{self.volume}"


class QsmBrain(Builder):
    """Synthetic brains as a TFDS data set with the splits `train` and `test`."""

    TYPES: ClassVar[Mapping[str, type]] = {
        "field": np.float32,
        "chi": np.float32,
        "mask": np.bool_,
        "voxel_size": np.float64,
        "b0_direction": np.float64,
    }
    BUILDER_CONFIGS = [Brains()]  # noqa: RUF012  (TFDS's interface)

    @property
    def choice(self) -> Brains:
        """Return the configuration of the builder: the brains that this data set holds."""
        assert isinstance(self.builder_config, Brains)
        return self.builder_config

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (self.choice.volume,) * 3
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

    def make(self, index: int) -> QsmSubject:
        """The brain of an index."""
        choice = self.choice
        shape = (choice.volume, choice.volume, choice.volume)
        return brain.brain(choice.seed_data, choice.seed_noise, index, shape=shape)

    @staticmethod
    def example(subject: QsmSubject) -> dict[str, Any]:
        """A brain as TFDS stores it."""
        return {
            "name": subject.name,
            "field": subject.field,
            "chi": chi_of(subject),
            "mask": subject.mask,
            "voxel_size": np.asarray(subject.voxel_size, np.float64),
            "b0_direction": np.asarray(subject.b0_direction, np.float64),
        }

    @staticmethod
    def subject(example: dict[str, Any]) -> QsmSubject:
        """The inverse of `example`."""
        return QsmSubject(
            name=example["name"].decode(),
            field=example["field"],
            chi=example["chi"],
            mask=example["mask"],
            voxel_size=tuple(example["voxel_size"].tolist()),
            b0_direction=tuple(example["b0_direction"].tolist()),
        )
