"""A network in PyTorch with its optimizer and loss scale, and their leaves in a checkpoint."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mrjax.pytorch import weights
from mrjax.tasks.build import FIRST_HALF_SCALE
from mrjax.train import step as rule
from mrjax.train.step import LossScale, State

Moments = dict[str, dict[str, Tensor]]


class Trainee:
    """A network in training; it changes in place, as PyTorch's objects do.

    Attributes:
        network: on its device, in its type and memory format.
        optimizer: Adam, or gradient descent with momentum.
        scaler: dynamic scale of the loss under float16, else None.
        count: number of updates done; it is lower than that of steps if some were skipped because
            gradients overflowed.
    """

    def __init__(self, network: nn.Module, momentum: float | None, *, half: bool) -> None:
        """Begin before the first step, with all tensors that a checkpoint will hold.

        Args:
            network: to be trained.
            momentum: of gradient descent; None for Adam.
            half: whether gradients need a loss scale.
        """
        self.network, self.count = network, 0
        self.optimizer = _optimizer(network, momentum)
        self.scaler = _scaler(network) if half else None
        self._named = dict(network.named_parameters())

    def moments(self) -> Moments:
        """The optimizer's tensors without its counts: kind -> name of the parameter -> tensor."""
        kinds = sorted({kind for state in self.optimizer.state.values() for kind in state})
        return {
            kind: {name: self.optimizer.state[p][kind] for name, p in self._named.items()}
            for kind in kinds
            if kind != "step"
        }

    def leaves(self) -> State:
        """Copies on the host; the network's leaves have the names of a checkpoint of JAX."""
        optimizer: dict[str, Any] = {"count": np.asarray(self.count, np.int64)}
        for kind, tensors in self.moments().items():
            optimizer[kind] = {k: np.array(t.cpu().numpy(), order="C") for k, t in tensors.items()}
        scale = self.scaler.state_dict() if self.scaler else {"scale": 1.0, "_growth_tracker": 0}
        return State(
            weights.read_weights(self.network),
            weights.read_stats(self.network),
            optimizer,
            LossScale(
                np.asarray(scale["scale"], np.float32),  # pyright: ignore[reportArgumentType]
                np.asarray(scale["_growth_tracker"], np.int32),  # pyright: ignore[reportArgumentType]
            ),
        )

    @torch.no_grad()
    def restore(self, leaves: State) -> None:
        """Take over a state that `leaves` returned."""
        weights.load_weights(self.network, leaves.params, leaves.batch_stats)
        for kind, tensors in self.moments().items():
            for name, tensor in tensors.items():
                tensor.copy_(torch.from_numpy(leaves.optimizer[kind][name]))
        self.count = int(leaves.optimizer["count"])
        for state in self.optimizer.state.values():
            if "step" in state:
                state["step"].fill_(self.count)
        if self.scaler:
            self.scaler.load_state_dict(
                self.scaler.state_dict()
                | {
                    "scale": float(leaves.scale.value),
                    "_growth_tracker": int(leaves.scale.finite_steps),
                }
            )

    def update(self, learning_rate: float) -> bool:
        """Update the parameters by their gradients.

        Args:
            learning_rate: of this update.

        Returns:
            Whether it was done; False if gradients overflowed under the loss scale.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        if self.scaler is None:
            self.optimizer.step()
            done = True
        else:
            before = self.scaler.get_scale()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            scale = self.scaler.get_scale()
            done = scale >= before
            # The JAX runs bound the scale, which GradScaler does not.
            self.scaler.update(min(max(scale, 1.0), rule.LARGEST_SCALE))
        self.count += done
        return done


def _optimizer(network: nn.Module, momentum: float | None) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    if momentum is not None:
        optimizer = torch.optim.SGD(parameters, lr=1.0, momentum=momentum, fused=True)
        kinds: tuple[str, ...] = ("momentum_buffer",) if momentum else ()
    else:
        optimizer = torch.optim.Adam(parameters, fused=True)
        kinds = ("exp_avg", "exp_avg_sq")
    for p in parameters:
        state = optimizer.state[p]
        if momentum is None:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
        for kind in kinds:
            state[kind] = torch.zeros_like(p, memory_format=torch.preserve_format)
    return optimizer


def _scaler(network: nn.Module) -> torch.amp.GradScaler:
    """A scaler with the rule of :mod:`mrjax.train.step`: halved on overflow, doubled later."""
    device = next(network.parameters()).device.type
    return torch.amp.GradScaler(
        device, init_scale=FIRST_HALF_SCALE, growth_interval=rule.GROWTH_INTERVAL
    )
