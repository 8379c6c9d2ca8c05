"""The engine of a VarNet run in PyTorch; the rest is that of :mod:`mrjax.tasks.varnet`."""

import functools

from mrjax.pytorch import losses, varnet
from mrjax.pytorch.engine import Task, TorchEngine
from mrjax.pytorch.tasks import common
from mrjax.tasks.varnet.inputs import Inputs
from mrjax.tasks.varnet.model import Model


def engine(device: str, built: Model, inputs: Inputs) -> TorchEngine:
    """Return the variational network in PyTorch, in the form written for speed."""
    config = built.config
    net = varnet.TunedVarNet(config.stages, config.width, config.nodes, config.window)
    task = Task(
        network=common.loaded(net, inputs.initial, config, device),
        channels=False,
        loss=functools.partial(losses.varnet_loss, kind=config.loss),
        predict=losses.varnet_predict,
        rates=common.rates(built),
        momentum=config.momentum if config.optimizer == "iipg" else None,
        project=varnet.project if config.project else None,
    )
    return common.engine(config, device, task)
