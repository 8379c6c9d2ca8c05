"""How PyTorch does a run: an eager step in place, with the same evidence as a step in JAX."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mrjax.backend import explained
from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError
from mrjax.pytorch import layout, weights
from mrjax.pytorch.evidence import evidence, first_not_finite
from mrjax.pytorch.fingerprint import fingerprint
from mrjax.pytorch.trainee import Trainee
from mrjax.tasks import records
from mrjax.tasks.engine import Batches, Ready
from mrjax.train.sharding import HostBatch
from mrjax.train.step import Evidence, State

Batch = Mapping[str, Tensor]
_MOMENTS = {"exp_avg": "mu", "exp_avg_sq": "nu", "momentum_buffer": "trace"}
"""Name in PyTorch of what an optimizer keeps -> name in optax."""
LOW_PRECISION = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a task is in PyTorch.

    Attributes:
        network: with its first weights, on its device, in its type.
        channels: whether arrays have channels, which are last on the host and first in torch.
        loss: (network, batch on the device) -> scalar.
        predict: (network, input on the device) -> output.
        rates: learning rate, by number of updates done.
        momentum: of gradient descent; None for Adam.
        project: applied to the network after each update; None for nothing.
    """

    network: nn.Module
    channels: bool
    loss: Callable[[nn.Module, Batch], Tensor]
    predict: Callable[[nn.Module, Any], Tensor]
    rates: np.ndarray
    momentum: float | None = None
    project: Callable[[nn.Module], None] | None = None


class Lowered(nn.Module):
    """A network under autocast, with convolutions in a lower precision, statistics in float32."""

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        """Wrap a network, whose parameters keep their type."""
        super().__init__()
        self.network, self.device, self.dtype = network, device, dtype

    def forward(self, *arguments: Tensor) -> Tensor:
        """Return the network's output, in the type of its last layer."""
        with torch.autocast(self.device.type, self.dtype):
            return self.network(*arguments)


class TorchEngine:
    """A run's network in PyTorch, as `mrjax.tasks.engine.Engine` describes it."""

    framework: ClassVar[str] = "pytorch"

    def __init__(self, config: RunConfig, device: str, task: Task, *, channels_last: bool) -> None:
        """Make the engine without computing anything.

        Args:
            config: gives the data type.
            device: torch's name of the device.
            task: network, loss, and how both are used.
            channels_last: whether tensors with channels have them last in memory.
        """
        self._task, self._device = task, torch.device(device)
        self._half = config.dtype == "float16"
        self._format = torch.contiguous_format
        if channels_last and task.channels:
            self._format = layout.LAST[max(p.ndim for p in task.network.parameters()) - 2]
            task.network.to(memory_format=self._format)  # pyright: ignore[reportCallIssue]
        low = LOW_PRECISION.get(config.dtype)
        net = task.network
        self._network = net if low is None else Lowered(net, self._device, low)

    def start(self) -> Trainee:
        """Return the network with an optimizer that has not begun."""
        return Trainee(self._task.network, self._task.momentum, half=self._half)

    def begin(self, config: RunConfig, batches: Batches) -> Ready:
        """Compile if asked to, and run both passes once, so that libraries choose their algorithms.

        Running statistics are restored afterwards, and no update is done.

        Raises:
            UserError: torch.compile fails, or an operation is not deterministic although all must
                be.
            RunFailed: the device has too little memory.
        """
        trainee = self.start()
        trainee.network.train()
        forward: Any = self._network
        if getattr(config, "compile", False):
            forward = torch.compile(forward)
        step = Step(self._task, trainee, forward, self._first_channels)
        with _one_line(config):
            step.warm_up(self._on_device(batches(0)))
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)  # This time counts as compilation.
        return Ready(trainee, step, lambda i: self._on_device(batches(i)), step.names)

    def kept(self, state: Trainee) -> State:
        """Return copies of all leaves on the host."""
        return state.leaves()

    def restored(self, state: Trainee, leaves: State) -> Trainee:
        """Return the state itself, changed."""
        state.restore(leaves)
        return state

    def predict(self, state: Trainee, inputs: Any) -> np.ndarray:
        """Return the output on the host, with channels, if there are any, last."""
        state.network.eval()
        if isinstance(inputs, Mapping):
            placed: Any = self._first_channels(self._on_device(inputs))
        else:
            placed = self._first_channels(self._on_device({"x": inputs}))["x"]
        with torch.inference_mode():
            found = self._task.predict(self._network, placed)
        found = found.movedim(1, -1) if self._task.channels else found
        return found.cpu().numpy()

    def peak_memory(self) -> int:
        """Return the peak of torch's allocations on a GPU, or that of this process on a CPU."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return records.process_memory()

    def _on_device(self, batch: HostBatch) -> dict[str, Tensor]:
        tensors = {
            k: torch.from_numpy(np.require(v, requirements=["C", "W"])) for k, v in batch.items()
        }
        if self._device.type == "cpu":
            return tensors
        return {k: t.pin_memory().to(self._device, non_blocking=True) for k, t in tensors.items()}

    def _first_channels(self, batch: Batch) -> Batch:
        """The batch in torch's order of axes and in the memory format of the network."""
        return layout.first(batch, self._format) if self._task.channels else batch


class Step:
    """One training step, in place: loss, gradients, update, projection."""

    def __init__(
        self, task: Task, trainee: Trainee, forward: nn.Module, arrange: Callable[[Batch], Batch]
    ) -> None:
        """Bind what a step works on.

        Args:
            task: gives loss, learning rates and projection.
            trainee: what the step changes.
            forward: its network as the loss calls it, which may be compiled or under autocast.
            arrange: batch on the device -> batch that the loss takes.
        """
        self._task, self._trainee, self._forward, self._arrange = task, trainee, forward, arrange
        network = trainee.network
        params, stats = weights.parameters(network), weights.statistics(network)
        # These views stay valid, because every update is in place.
        self._params = {f"params/{k}": v for k, v in params.items()}
        self._stats = {f"batch_stats/{k}": v for k, v in stats.items()}
        self._moments = {
            f"optimizer/0/{_MOMENTS[kind]}/{path}": tensor
            for kind, tensors in trainee.moments().items()
            for path, tensor in zip(params, tensors.values(), strict=True)
        }
        self._paths, self.names = tuple(params), []

    def warm_up(self, batch: Batch) -> None:
        """Run both passes once, undo their changes, and name the tensors that a step inspects."""
        self.names = sorted(self._tensors(batch, dict.fromkeys(self._paths, torch.zeros(()))))
        before = {k: v.clone() for k, v in self._stats.items()}
        self._loss(batch).backward()
        self._trainee.optimizer.zero_grad(set_to_none=True)
        self._put_back(before)

    def __call__(self, trainee: Trainee, batch: Batch) -> tuple[Trainee, Evidence]:
        """Take one step, which changes the state given and returns it."""
        scaler = trainee.scaler
        before = {k: v.clone() for k, v in self._stats.items()} if scaler else {}
        trainee.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(batch)
        (scaler.scale(loss) if scaler else loss).backward()  # pyright: ignore[reportAttributeAccessIssue]
        if scaler:
            scaler.unscale_(trainee.optimizer)
        gradients = weights.gradients(trainee.network)
        of_gradients = fingerprint(gradients)
        done = trainee.update(float(self._task.rates[trainee.count]))
        if not done:
            self._put_back(before)
        elif self._task.project is not None:
            self._task.project(trainee.network)
        digests = (fingerprint(self._params | self._stats), of_gradients, fingerprint(batch))
        tensors = self._tensors(batch, gradients)
        broken = first_not_finite({name: tensors[name] for name in self.names})
        return trainee, evidence(loss, digests, broken, skipped=not done)

    def _tensors(self, batch: Batch, gradients: Batch) -> dict[str, Tensor]:
        """All tensors of a step, by the names of `mrjax.train.step.tensors`."""
        return {
            **{f"batch/{k}": v for k, v in batch.items()},
            **{f"gradients/{k}": v for k, v in gradients.items()},
            **self._stats,
            **self._moments,
            **self._params,
        }

    def _loss(self, batch: Batch) -> Tensor:
        return self._task.loss(self._forward, self._arrange(batch))

    @torch.no_grad()
    def _put_back(self, stats: Batch) -> None:
        for name, value in stats.items():
            self._stats[name].copy_(value)


@contextlib.contextmanager
def _one_line(config: RunConfig) -> Iterator[None]:
    """Turn an error of the first passes that a user can act on into one line."""
    try:
        yield
    except (UserError, RunFailed):
        raise
    except Exception as error:
        found = explained(error, config)
        if found is None and getattr(config, "compile", False):
            found = _not_compiled(error)
        if found is None:
            raise
        raise found from error


def _not_compiled(error: Exception) -> UserError:
    text = (str(error).splitlines() or [""])[0]
    return UserError(
        f"torch.compile failed ({type(error).__name__}: {text[:120]}); expected a working "
        "compiler (C++ on a CPU, Triton on a GPU); install it or drop --compile"
    )
