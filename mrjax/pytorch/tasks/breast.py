"""The engine of a breast run in PyTorch; the rest is that of :mod:`mrjax.tasks.breast`."""

from mrjax.pytorch import losses, unet
from mrjax.pytorch.engine import Task, TorchEngine
from mrjax.pytorch.tasks import common
from mrjax.tasks.breast.inputs import Inputs
from mrjax.tasks.breast.model import Model


def engine(device: str, built: Model, inputs: Inputs) -> TorchEngine:
    """Return the breast U-Net in PyTorch."""
    config = built.config
    channels = built.shapes["params"]["down0_0/conv/kernel"][-2]
    net = unet.UNet2d(channels, config.width, config.levels, config.momentum)
    task = Task(
        network=common.loaded(net, inputs.initial, config, device),
        channels=True,
        loss=losses.breast_loss,
        predict=losses.breast_predict,
        rates=common.rates(built),
    )
    return common.engine(config, device, task)
