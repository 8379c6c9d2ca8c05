"""The engine of the end-to-end VarNet in PyTorch; the rest is that of :mod:`mrjax.tasks.e2e`."""

from mrjax.pytorch import e2e, losses
from mrjax.pytorch.engine import Task, TorchEngine
from mrjax.pytorch.tasks import common
from mrjax.tasks.e2e.inputs import Inputs
from mrjax.tasks.e2e.model import Model


def engine(device: str, built: Model, inputs: Inputs) -> TorchEngine:
    """Return the end-to-end variational network in PyTorch."""
    config = built.config
    net = e2e.E2EVarNet(
        config.cascades, config.width, config.levels, config.sens_width, config.sens_levels
    )
    task = Task(
        network=common.loaded(net, inputs.initial, config, device),
        channels=False,
        loss=losses.e2e_loss,
        predict=losses.e2e_predict,
        rates=common.rates(built),
    )
    return common.engine(config, device, task)
