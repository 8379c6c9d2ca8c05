"""The training step of the breast U-Net in both frameworks."""

from collections.abc import Iterable, Mapping

from mrjax.pytorch import losses, unet
from mrjax.pytorch.bench import steps
from mrjax.tasks.breast import model
from mrjax.tasks.breast.config import Config


def contest(config: Config, variants: Iterable[str]) -> steps.Contest:
    """Return ours against eager PyTorch in both memory formats; see `steps.contest`."""
    theirs = steps.in_layouts(2, _network, lambda net, batch, _: losses.breast_loss(net, batch))
    return steps.contest(config, variants, _ours, theirs, theirs)


def _ours(config: Config, batch: Mapping) -> steps.Ours:
    built = model.build(config, "cpu")
    return steps.compiled(built, built.loss_function(), batch)


def _network(config: Config) -> unet.UNet2d:
    return unet.UNet2d(3, config.width, config.levels, config.momentum)
