"""The three tasks in PyTorch: the runs of :mod:`mrjax.tasks` with another engine.

JAX stays beside it for what must be the same in both: it draws the weights and the order of the
batches, and it knows the names and shapes of the network's leaves.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from mrjax.baseline import losses, nets, unet, varnet, weights
from mrjax.baseline.engine import Task, TorchEngine
from mrjax.physics import dipole
from mrjax.tasks import frame
from mrjax.tasks.breast import fold
from mrjax.tasks.build import learning_rate, master_dtype
from mrjax.tasks.qsm import run as qsm_run
from mrjax.tasks.trained import Weights
from mrjax.tasks.varnet import run as varnet_run


def qsm(device: str, built: qsm_run.model.Model, inputs: qsm_run.Inputs) -> TorchEngine:
    """Return QSMnet in PyTorch."""
    config, normalisation = built.config, inputs.constants.normalisation
    kernel = None
    if inputs.train:
        first, edge = inputs.train[0], (config.patch,) * 3
        kernel = _placed(dipole.kernel(edge, first.voxel_size, first.b0_direction), config, device)
    constants = losses.QsmConstants(
        kernel,
        normalisation.field_mean,
        normalisation.field_std,
        normalisation.chi_mean,
        normalisation.chi_std,
        config.model_weight,
        config.gradient_weight,
    )
    net = nets.QSMnet(config.width, config.levels, config.window, config.momentum)
    task = Task(
        network=_loaded(net, inputs.initial, config, device),
        channels=True,
        loss=functools.partial(losses.qsm_loss, constants=constants),
        predict=functools.partial(losses.qsm_predict, constants=constants),
        rates=_rates(built),
    )
    return _engine(config, device, task)


def variational(
    device: str, built: varnet_run.model.Model, inputs: varnet_run.Inputs
) -> TorchEngine:
    """Return the variational network in PyTorch, in its form for speed."""
    config = built.config
    net = varnet.TunedVarNet(config.stages, config.width, config.nodes, config.window)
    task = Task(
        network=_loaded(net, inputs.initial, config, device),
        channels=False,
        loss=functools.partial(losses.varnet_loss, kind=config.loss),
        predict=losses.varnet_predict,
        rates=_rates(built),
        momentum=config.momentum if config.optimizer == "iipg" else None,
        project=varnet.project if config.project else None,
    )
    return _engine(config, device, task)


def breast(device: str, built: fold.model.Model, inputs: fold.Inputs) -> TorchEngine:
    """Return the breast U-Net in PyTorch."""
    config = built.config
    channels = built.shapes["params"]["down0_0/conv/kernel"][-2]
    net = unet.UNet2d(channels, config.width, config.levels, config.momentum)
    task = Task(
        network=_loaded(net, inputs.initial, config, device),
        channels=True,
        loss=losses.breast_loss,
        predict=losses.breast_predict,
        rates=_rates(built),
    )
    return _engine(config, device, task)


JOBS: dict[str, tuple[Callable[..., frame.Job], Callable[..., TorchEngine]]] = {
    "qsm": (qsm_run.job, qsm),
    "varnet": (varnet_run.job, variational),
    "breast": (fold.job, breast),
}
"""Task -> what makes its run, and what makes its network."""


def _engine(config: Any, device: str, task: Task) -> TorchEngine:
    return TorchEngine(config, device, task, channels_last=config.channels_last)


def _loaded(net: nn.Module, initial: Weights, config: Any, device: str) -> nn.Module:
    """The network with its first weights, in the type of the run's parameters."""
    net = net.to(device, getattr(torch, master_dtype(config)))
    weights.load_weights(net, initial.params, initial.batch_stats)
    return net


def _placed(array: np.ndarray, config: Any, device: str) -> torch.Tensor:
    return torch.tensor(array, dtype=getattr(torch, master_dtype(config)), device=device)


def _rates(built: Any) -> np.ndarray:
    """Learning rate of every step, by JAX's own rule."""
    config = built.config
    rate = learning_rate(built.arithmetic, config.learning_rate, config.steps, config.cooldown)
    counts = np.arange(config.steps, dtype=master_dtype(config))
    return np.asarray(rate(counts)) if callable(rate) else np.full(config.steps, rate)
