"""PyTorch's way of a run: an eager step in place, written for speed, with JAX's evidence."""

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
from mrjax.pytorch import weights
from mrjax.pytorch.evidence import evidence, first_not_finite
from mrjax.pytorch.fingerprint import fingerprint
from mrjax.pytorch.trainee import Trainee
from mrjax.tasks import records
from mrjax.tasks.engine import Batches, Ready
from mrjax.train.sharding import HostBatch
from mrjax.train.step import Evidence, State

Batch = Mapping[str, Tensor]
_MOMENTS = {"exp_avg": "mu", "exp_avg_sq": "nu", "momentum_buffer": "trace"}
"""PyTorch's names of what optimizers keep -> optax's."""
LOW_PRECISION = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a task is in PyTorch.

    Attributes:
        network: with its weights, on its device, in its type and memory format.
        channels: whether arrays of a batch and of an input end in channels, which torch has first.
        loss: (network, batch on the device) -> scalar.
        predict: (network, input on the device) -> output.
        rates: learning rate by number of updates done.
        momentum: of gradient descent; None for Adam.
        project: applied to the network after each update, None for nothing.
    """

    network: nn.Module
    channels: bool
    loss: Callable[[nn.Module, Batch], Tensor]
    predict: Callable[[nn.Module, Any], Tensor]
    rates: np.ndarray
    momentum: float | None = None
    project: Callable[[nn.Module], None] | None = None


class Lowered(nn.Module):
    """A network under autocast: convolutions in a lower precision, statistics in float32."""

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        """Wrap a network that stays of its type."""
        super().__init__()
        self.network, self.device, self.dtype = network, device, dtype

    def forward(self, *arguments: Tensor) -> Tensor:
        """Return the network's output, of whatever type its last layer gives."""
        with torch.autocast(self.device.type, self.dtype):
            return self.network(*arguments)


class TorchEngine:
    """A run's network in PyTorch, as `mrjax.tasks.engine.Engine` describes it."""

    framework: ClassVar[str] = "pytorch"

    def __init__(self, config: RunConfig, device: str, task: Task, *, channels_last: bool) -> None:
        """Make the engine; nothing is computed.

        Args:
            config: gives the data type.
            device: torch's name of it.
            task: network, loss, and how both are used.
            channels_last: memory format of what has channels.
        """
        self._task, self._device = task, torch.device(device)
        self._half = config.dtype == "float16"
        self._format = torch.contiguous_format
        if channels_last and task.channels:
            dims = max(p.ndim for p in task.network.parameters())
            self._format = {4: torch.channels_last, 5: torch.channels_last_3d}[dims]
            task.network.to(memory_format=self._format)  # pyright: ignore[reportCallIssue]
        low = LOW_PRECISION.get(config.dtype)
        net = task.network
        self._network = net if low is None else Lowered(net, self._device, low)

    def start(self) -> Trainee:
        """Return the network as it is, with an optimizer that has not begun."""
        return Trainee(self._task.network, self._task.momentum, half=self._half)

    def begin(self, config: RunConfig, batches: Batches) -> Ready:
        """Compile if asked to, and run both passes once: libraries load and choose algorithms.

        The statistics that this changes are put back, and no update is done.

        Raises:
            UserError: torch.compile fails, or an operation is not deterministic though all must be.
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
                torch.cuda.synchronize(self._device)  # a time of compilation, not of training
        return Ready(trainee, step, lambda i: self._on_device(batches(i)), step.names)

    def kept(self, state: Trainee) -> State:
        """Return copies of all leaves on the host."""
        return state.leaves()

    def restored(self, state: Trainee, leaves: State) -> Trainee:
        """Return the state itself, changed."""
        state.restore(leaves)
        return state

    def predict(self, state: Trainee, inputs: Any) -> np.ndarray:
        """Return the output on the host, channels last if the task has them."""
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
        """Return the most that torch had allocated on a GPU, or this process's memory."""
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
        """The batch in torch's order of axes, in the memory format of the network."""
        if not self._task.channels:
            return batch
        moved = {k: t.movedim(-1, 1) for k, t in batch.items()}
        return {k: t.contiguous(memory_format=self._format) for k, t in moved.items()}


class Step:
    """One training step: loss, gradients, update, projection; in place."""

    def __init__(
        self, task: Task, trainee: Trainee, forward: nn.Module, arrange: Callable[[Batch], Batch]
    ) -> None:
        """Bind what a step works on.

        Args:
            task: gives loss, learning rates and projection.
            trainee: what changes.
            forward: its network as it is called: compiled, under autocast.
            arrange: a batch on the device to the batch that the loss takes.
        """
        self._task, self._trainee, self._forward, self._arrange = task, trainee, forward, arrange
        network = trainee.network
        params, stats = weights.parameters(network), weights.statistics(network)
        # Views on storage that stays: every update is in place.
        self._params = {f"params/{k}": v for k, v in params.items()}
        self._stats = {f"batch_stats/{k}": v for k, v in stats.items()}
        self._moments = {
            f"optimizer/0/{_MOMENTS[kind]}/{path}": tensor
            for kind, tensors in trainee.moments().items()
            for path, tensor in zip(params, tensors.values(), strict=True)
        }
        self._paths, self.names = tuple(params), []

    def warm_up(self, batch: Batch) -> None:
        """Run both passes once and undo what they changed; name what a step looks at."""
        self.names = sorted(self._tensors(batch, dict.fromkeys(self._paths, torch.zeros(()))))
        before = {k: v.clone() for k, v in self._stats.items()}
        self._loss(batch).backward()
        self._trainee.optimizer.zero_grad(set_to_none=True)
        self._put_back(before)

    def __call__(self, trainee: Trainee, batch: Batch) -> tuple[Trainee, Evidence]:
        """Take one step; the state given is the state returned."""
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
        """Everything that passes through a step, by the names of `mrjax.train.step.tensors`."""
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
    """Turn what the first passes can tell the user into one line."""
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
