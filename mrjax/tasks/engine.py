"""What a framework does for a run, and how JAX does it.

All else of a run is the same in both frameworks: data, draws, evidence, checkpoints, metrics.
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
from mrjax.train import finite
from mrjax.train.loop import StepFunction
from mrjax.train.sharding import HostBatch, place_batches
from mrjax.train.step import LossFunction, Project, State, make_step, tensors

Batches = Callable[[int], HostBatch]


class Ready(NamedTuple):
    """A training about to begin.

    Attributes:
        state: before the first step, on the device.
        step: (state, batch) -> (state, evidence); may consume its state.
        batches: step (from 0) to batch, as `step` takes it.
        names: of the tensors among which a step's evidence points to the first not finite one.
    """

    state: Any
    step: StepFunction
    batches: Callable[[int], Any]
    names: Sequence[str] = ()


class Engine(Protocol):
    """A network in a framework: how it begins, learns, is kept, and what it predicts.

    A state is the framework's own; `kept` and `restored` go between it and a tree of arrays.
    """

    framework: ClassVar[str]
    """Name for ``result.json``."""

    def start(self) -> Any:
        """Return the state before the first step."""
        ...

    def begin(self, config: RunConfig, batches: Batches) -> Ready:
        """Do once what the first step needs: compile, choose algorithms; takes no step."""
        ...

    def kept(self, state: Any) -> State:
        """Return the leaves of a state under their names of the checkpoint, for digests too."""
        ...

    def restored(self, state: Any, leaves: State) -> Any:
        """Return a state with the leaves that `kept` gave; may consume `state`."""
        ...

    def predict(self, state: Any, inputs: Any) -> np.ndarray:
        """Return the network's output for an input of the task, on the host."""
        ...

    def peak_memory(self) -> int | None:
        """Largest memory in use so far [bytes]; None where it cannot be known."""
        ...


class Learning(NamedTuple):
    """How a network learns in JAX.

    Attributes:
        loss: (params, batch_stats, batch) -> (loss, new batch_stats).
        optimizer: the update rule.
        project: what brings updated parameters back to the allowed ones; None: all are allowed.
    """

    loss: LossFunction
    optimizer: optax.GradientTransformation
    project: Project | None = None


@dataclasses.dataclass(frozen=True)
class JaxEngine:
    """JAX's way: pure functions, compiled once.

    Attributes:
        devices: that share each batch.
        arithmetic: what computes; an order-free one is tried on the first device before its use.
        state: before the first step.
        learning: None where a trained network only infers.
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
            UserError: the device does not compute as the arithmetic supposes.
        """
        if isinstance(self.arithmetic, Reproducible):
            with jax.default_device(self.devices[0]):
                check(self.arithmetic.conv_form)
        return self.state

    def begin(self, config: RunConfig, batches: Batches) -> Ready:
        """Compile the step.

        Raises:
            UserError: as in `start`.
        """
        assert self.learning is not None, "a network that only infers does not learn"
        place, placed = place_batches(self.devices, batches)
        state = place(self.start())
        step = make_step(
            self.learning.loss,
            self.learning.optimizer,
            arithmetic=self.arithmetic,
            dynamic_scale=config.dtype == "float16",
            project=self.learning.project,
        )
        batch = placed(0)
        compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
        return Ready(state, compiled, placed, finite.names(tensors(batch, state.params, state)))

    def kept(self, state: State) -> State:
        """Return the state itself: a tree of arrays."""
        return state

    def restored(self, state: State, leaves: State) -> State:
        """Return the leaves themselves, placed as those of `state` were."""
        del state
        return leaves

    def predict(self, state: State, inputs: Any) -> np.ndarray:
        """Return the output on the host."""
        return np.asarray(self.predictor(state, inputs))

    def peak_memory(self) -> int | None:
        """Return the devices' count, see `mrjax.tasks.records.peak_memory`."""
        return records.peak_memory(self.devices)
