"""What the jobs of all tasks share: one network, applied to one held-out subject after another."""

import abc
import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
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


class HasSubjects(Protocol):
    """What training starts from, in every task."""

    @property
    def examples(self) -> pipeline.Examples | None:
        """What batches are made of; None where a trained network only infers."""
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
        inputs: what training starts from, checked.
        engine: the network in its framework.
    """

    config: Config
    inputs: Inputs
    engine: Engine

    @property
    def digests(self) -> Mapping[str, str]:
        """Sha256 of `init`, `order` and `data`, by the task's rule."""
        return registry.module(self.config.experiment, "inputs").digest(self.config, self.inputs)

    @property
    @abc.abstractmethod
    def constants(self) -> Mapping[str, Any]:
        """What the network carries from its training subjects, as JSON."""

    @property
    def account(self) -> Intake | None:
        """What was found, used and left out; None for a task whose inputs keep no account."""
        return getattr(self.inputs, "account", None)

    @property
    def held_out(self) -> Sequence[Any]:
        """Subjects that the network has not seen, as it is given them."""
        return self.inputs.test

    @abc.abstractmethod
    def shape(self, one: Any) -> Hashable:
        """What of a subject decides for what shape the network is compiled."""

    @abc.abstractmethod
    def output(self, one: Any, apply: Apply) -> np.ndarray:
        """The network's output for a subject."""

    @abc.abstractmethod
    def others(self, one: Any) -> Any:
        """The outputs of the classical methods for a subject."""

    @abc.abstractmethod
    def judge(self, folder: RunFolder, networks: Any, others: Any) -> Judged:
        """See `mrjax.tasks.frame.Job.judge`."""

    @property
    def batches(self) -> Batches | None:
        """Step to batch: examples in the order of the stream `order`; None for no examples."""
        examples, config = self.inputs.examples, self.config
        if examples is None:
            return None
        seed = config.seed_for("order")
        return lambda step: pipeline.batch(examples, seed, step, config.batch_size)

    def warm_up(self, state: Any) -> None:
        """Apply the network once to each shape of input."""
        self._outputs(state, infer.one_of_each(self.held_out, self.shape))

    def infer(self, state: Any) -> list[np.ndarray]:
        """The network's outputs for all held-out subjects."""
        return self._outputs(state, self.held_out)

    def classical(self) -> list[Any]:
        """The classical methods' outputs for all held-out subjects."""
        return [self.others(one) for one in self.held_out]

    def _outputs(self, state: Any, subjects: Sequence[Any]) -> list[np.ndarray]:
        return [self.output(one, lambda x: self.engine.predict(state, x)) for one in subjects]
