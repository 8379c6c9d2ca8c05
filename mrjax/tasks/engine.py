"""The part of a run that a framework computes, and JAX's implementation.

The rest of a run is the same in both frameworks: data, draws, evidence, checkpoints, metrics.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import numpy as np
import optax

from mrjax.config import RunConfig
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.reproducible import Reproducible
from mrjax.numerics.reproducible.check import check
from mrjax.tasks import records
from mrjax.train import finite, sharding
from mrjax.train.loop import StepFunction
from mrjax.train.sharding import HostBatch, place_batches
from mrjax.train.step import LossFunction, Project, State, make_step, tensors

Batches = Callable[[int], HostBatch]


class Ready(NamedTuple):
    """A training that is ready to begin.

    Attributes:
        state: state before the first step, on the device.
        step: (state, batch) -> (state, evidence); may consume its state.
        batches: step (from 0) -> batch, as `step` takes it.
        names: tensor names, indexed by `Evidence.not_finite`.
    """

    state: Any
    step: StepFunction
    batches: Callable[[int], Any]
    names: Sequence[str] = ()


class Engine(Protocol):
    """A network in a framework: it starts, learns, is saved and predicts.

    A state belongs to the framework; `kept` and `restored` convert it to a tree of arrays and back.
    """

    framework: ClassVar[str]
    """Name for ``result.json``."""

    def start(self) -> Any:
        """Return the state before the first step."""
        ...

    def begin(self, config: RunConfig, batches: Batches) -> Ready:
        """Prepare the first step: compile and choose algorithms, but take no step."""
        ...

    def kept(self, state: Any) -> State:
        """Return the leaves of a state under the names that checkpoints and digests use."""
        ...

    def restored(self, state: Any, leaves: State) -> Any:
        """Return a state with leaves from `kept`; may consume `state`."""
        ...

    def predict(self, state: Any, inputs: Any) -> np.ndarray:
        """Return the network's output for an input of the task, on the host."""
        ...

    def peak_memory(self) -> int | None:
        """Return the largest memory in use so far [bytes]; None where it is not known."""
        ...


class Learning(NamedTuple):
    """How a network learns in JAX.

    Attributes:
        loss: (params, batch_stats, batch) -> (loss, new batch_stats).
        optimizer: the update rule.
        project: projection of updated parameters onto the allowed set; None: all are allowed.
    """

    loss: LossFunction
    optimizer: optax.GradientTransformation
    project: Project | None = None


@dataclasses.dataclass(frozen=True)
class JaxEngine:
    """The engine in JAX: pure functions, compiled once.

    Attributes:
        devices: the devices that share each batch.
        arithmetic: the arithmetic; order-free arithmetic is tested on the first device before use.
        state: state before the first step.
        learning: how the network learns; None where a trained network only infers.
        predictor: (state, input) -> output.
    """

    devices: Sequence[Any]
    arithmetic: Arithmetic
    state: State
    learning: Learning | None
    predictor: Callable[[State, Any], Any]
    framework: ClassVar[str] = "jax"

    def start(self) -> State:
        """Return the state before the first step.

        Raises:
            UserError: the device does not compute as the arithmetic requires.
        """
        if isinstance(self.arithmetic, Reproducible):
            with jax.default_device(self._own[0]):
                check(self.arithmetic.conv_form)
        return self.state

    def begin(self, config: RunConfig, batches: Batches) -> Ready:
        """Compile the step.

        Raises:
            UserError: as in `start`.
        """
        step = self.pure_step(config)
        place, placed = place_batches(self.devices, batches)
        state = place(self.start())
        batch = placed(0)
        compiled = sharding.jitted(step, self.devices).lower(state, batch).compile()
        return Ready(state, compiled, placed, finite.names(tensors(batch, state.params, state)))

    def pure_step(self, config: RunConfig) -> StepFunction:
        """Return the step before it is compiled, (state, batch) -> (state, evidence)."""
        assert self.learning is not None, "a network that only infers does not learn"
        return make_step(
            self.learning.loss,
            self.learning.optimizer,
            arithmetic=self.arithmetic,
            dynamic_scale=config.dtype == "float16",
            project=self.learning.project,
        )

    def kept(self, state: State) -> State:
        """Return the state itself, which is a tree of arrays."""
        return state

    def restored(self, state: State, leaves: State) -> State:
        """Return the leaves themselves, which are placed as those of `state` were."""
        del state
        return leaves

    def predict(self, state: State, inputs: Any) -> np.ndarray:
        """Return the output on the host."""
        return np.asarray(self.predictor(state, inputs))

    def peak_memory(self) -> int | None:
        """Return the largest memory of the devices, see `mrjax.tasks.records.peak_memory`."""
        return records.peak_memory(self._own)

    @property
    def _own(self) -> Sequence[Any]:
        """The devices of this process."""
        return [d for d in self.devices if d.process_index == jax.process_index()]
