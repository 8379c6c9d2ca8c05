"""The job that all tasks share: a network is applied to one held-out subject after another."""

import abc
import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from mrjax.config import RunConfig
from mrjax.data import pipeline
from mrjax.data.intake import Intake
from mrjax.runs.folder import RunFolder
from mrjax.tasks import registry
from mrjax.tasks.engine import Batches, Engine
from mrjax.tasks.frame import Judged
from mrjax.train import infer

Apply = Callable[[Any], np.ndarray]
"""The network of a run: an input of the task on the host -> its output on the host."""
Outputs = Mapping[str, np.ndarray]
"""Method -> output for a subject."""


class HasSubjects(Protocol):
    """The inputs of a run, in every task."""

    @property
    def examples(self) -> pipeline.Examples | None:
        """Examples that make up batches; None where a trained network only infers."""
        ...

    @property
    def test(self) -> Sequence[Any]:
        """Held-out subjects."""
        ...


Config = TypeVar("Config", bound=RunConfig)
Inputs = TypeVar("Inputs", bound=HasSubjects)


@dataclasses.dataclass(frozen=True)
class SubjectJob(abc.ABC, Generic[Config, Inputs]):
    """A `mrjax.tasks.frame.Job` that treats held-out subjects one by one.

    Attributes:
        config: checked configuration.
        inputs: checked inputs.
        engine: the network in its framework.
    """

    config: Config
    inputs: Inputs
    engine: Engine

    @property
    def digests(self) -> Mapping[str, str]:
        """Sha256 of `init`, `order` and `data`, by the task's rule."""
        return self._module("inputs").digest(self.config, self.inputs)

    @property
    @abc.abstractmethod
    def constants(self) -> Mapping[str, Any]:
        """The constants that the network keeps from its training subjects, as JSON."""

    @property
    def account(self) -> Intake | None:
        """What was found, used and left out; None for a task whose inputs keep no account."""
        return getattr(self.inputs, "account", None)

    @property
    def held_out(self) -> Sequence[Any]:
        """Held-out subjects, in the form in which the network gets them."""
        return self.inputs.test

    @abc.abstractmethod
    def shape(self, one: Any) -> Hashable:
        """Return the properties of a subject for which the network is compiled anew."""

    @abc.abstractmethod
    def output(self, one: Any, apply: Apply) -> np.ndarray:
        """Return the network's output for a subject."""

    @abc.abstractmethod
    def others(self, one: Any) -> Outputs:
        """Return the outputs of the classical methods for a subject."""

    def judge(
        self, folder: RunFolder, networks: Sequence[np.ndarray], others: Sequence[Outputs]
    ) -> Judged:
        """Compare all outputs with the references by the task's `evaluate`, write its `outputs`."""
        subjects = self.inputs.test
        found = [{"network": n, **more} for n, more in zip(networks, others, strict=True)]
        table = self._module("evaluate").table(found, subjects)
        self._module("outputs").write(folder, subjects, found)
        return Judged(
            # A subject without a reference gets outputs and a digest, but no row in the tables.
            subjects=[s.name for s in subjects if s.reference is not None or not table],
            table=table,
            predictions={s.name: one["network"] for s, one in zip(subjects, found, strict=True)},
        )

    @property
    def batches(self) -> Batches | None:
        """Step -> batch, examples in the order of the stream `order`; None without examples."""
        examples, config = self.inputs.examples, self.config
        if examples is None:
            return None
        seed = config.seed_for("order")
        return lambda step: pipeline.batch(examples, seed, step, config.batch_size)

    def warm_up(self, state: Any) -> None:
        """Apply the network once to one input of each shape."""
        self._outputs(state, infer.one_of_each(self.held_out, self.shape))

    def infer(self, state: Any) -> list[np.ndarray]:
        """Return the network's outputs for all held-out subjects."""
        return self._outputs(state, self.held_out)

    def classical(self) -> list[Outputs]:
        """Return the classical methods' outputs for all held-out subjects."""
        return [self.others(one) for one in self.held_out]

    def _module(self, name: str) -> ModuleType:
        return registry.module(self.config.experiment, name)

    def _outputs(self, state: Any, subjects: Sequence[Any]) -> list[np.ndarray]:
        return [self.output(one, lambda x: self.engine.predict(state, x)) for one in subjects]
