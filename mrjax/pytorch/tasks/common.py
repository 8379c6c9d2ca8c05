"""What all tasks need to make an engine in PyTorch.

JAX does what must be the same in both frameworks: it draws the weights and the order of the
batches, and it knows the names and shapes of the network's leaves.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from mrjax.pytorch import weights
from mrjax.pytorch.engine import Task, TorchEngine
from mrjax.tasks.build import learning_rate, master_dtype
from mrjax.tasks.trained import Weights


def engine(config: Any, device: str, task: Task) -> TorchEngine:
    """Return the engine of a run's network."""
    return TorchEngine(config, device, task, channels_last=config.channels_last)


def loaded(net: nn.Module, initial: Weights, config: Any, device: str) -> nn.Module:
    """Return the network on its device, in the run's type of parameters, with its first weights."""
    net = net.to(device, getattr(torch, master_dtype(config)))
    weights.load_weights(net, initial.params, initial.batch_stats)
    return net


def placed(array: np.ndarray, config: Any, device: str) -> torch.Tensor:
    """Return a constant on the device, in the type of the run's parameters."""
    return torch.tensor(array, dtype=getattr(torch, master_dtype(config)), device=device)


def rates(built: Any) -> np.ndarray:
    """Return the learning rate of every step, by the rule of the JAX runs."""
    config = built.config
    rate = learning_rate(built.arithmetic, config.learning_rate, config.steps, config.cooldown)
    counts = np.arange(config.steps, dtype=master_dtype(config))
    return np.asarray(rate(counts)) if callable(rate) else np.full(config.steps, rate)
