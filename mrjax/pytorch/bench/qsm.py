"""QSMnet's training step in both frameworks."""

import functools
from collections.abc import Iterable, Mapping

import torch

from mrjax.data.pipeline import Normalisation
from mrjax.physics import dipole
from mrjax.physics.phantoms import brain
from mrjax.pytorch import nets, weights
from mrjax.pytorch.bench import steps
from mrjax.tasks.qsm import model, noise
from mrjax.tasks.qsm.config import Config

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last_3d": torch.channels_last_3d,
}


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
    constants = Normalisation(field_mean=0.0, field_std=1.0, chi_mean=0.0, chi_std=1.0)
    loss = built.loss_function(constants, brain.brain(0, 0, 0, (8, 8, 8)))
    return steps.compiled(built, loss, batch)


def _peer(config: Config, batch: Mapping, layout: str) -> steps.Step:
    form = LAYOUTS[layout]
    net = nets.QSMnet(config.width, config.levels, config.window)
    weights.load_weights(net, model.build(config, "cpu").initial_params())
    net.to(memory_format=form)  # pyright: ignore[reportCallIssue]
    field, chi, mask = (
        torch.from_numpy(batch[name]).movedim(-1, 1).contiguous(memory_format=form)
        for name in ("field", "chi", "mask")
    )
    kernel = torch.tensor(dipole.kernel((config.patch,) * 3), dtype=torch.float32)

    def loss() -> torch.Tensor:
        return nets.qsm_loss(net(field), chi, field, mask, kernel, 0.0, 1.0)

    return steps.eager(net, loss, config.learning_rate)
