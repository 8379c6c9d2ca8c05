"""The breast U-Net's training step in both frameworks."""

import functools
from collections.abc import Iterable, Mapping

import torch

from mrjax.pytorch import unet, weights
from mrjax.pytorch.bench import steps
from mrjax.tasks.breast import model, noise
from mrjax.tasks.breast.config import Config

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def contest(config: Config, variants: Iterable[str]) -> steps.Contest:
    """Return ours against eager PyTorch in both memory layouts; time ignores the values.

    Args:
        config: of the run whose step is timed.
        variants: of ours that are timed beside it, keys of `steps.VARIANTS`.

    Returns:
        What to time.
    """
    batch = noise.batch(config)
    ours = steps.compiled_variants(config, variants, functools.partial(_ours, batch))
    theirs = {name: _peer(config, batch, name) for name in LAYOUTS}
    return steps.Contest(ours, theirs, tuple(LAYOUTS))


def _ours(batch: Mapping, config: Config) -> steps.Ours:
    built = model.build(config, "cpu")
    return steps.compiled(built, built.loss_function(), batch)


def _peer(config: Config, batch: Mapping, layout: str) -> steps.Step:
    form = LAYOUTS[layout]
    net = unet.UNet2d(3, config.width, config.levels, config.momentum)
    weights.load_weights(net, model.build(config, "cpu").initial_params())
    net.to(memory_format=form)  # pyright: ignore[reportCallIssue]
    image, mask = (
        torch.from_numpy(batch[name]).movedim(-1, 1).contiguous(memory_format=form)
        for name in ("image", "mask")
    )
    return steps.eager(net, lambda: unet.soft_dice_loss(net(image), mask), config.learning_rate)
