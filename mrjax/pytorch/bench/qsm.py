"""The training step of QSMnet in both frameworks."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mrjax.data.pipeline import Normalisation
from mrjax.physics import dipole
from mrjax.physics.phantoms import brain
from mrjax.pytorch import nets
from mrjax.pytorch.bench import steps
from mrjax.tasks.qsm import model
from mrjax.tasks.qsm.config import Config

PLAIN = {"field_mean": 0.0, "field_std": 1.0, "chi_mean": 0.0, "chi_std": 1.0}
"""Noise is not normalised."""


def contest(config: Config, variants: Iterable[str]) -> steps.Contest:
    """Return ours against eager PyTorch in both memory formats; see `steps.contest`."""
    kernel = torch.tensor(dipole.kernel((config.patch,) * 3), dtype=torch.float32)
    constants = nets.QsmConstants(kernel, **PLAIN)

    def loss(net: torch.nn.Module, batch: Mapping[str, Tensor], _: Config) -> Tensor:
        field, chi, mask = (batch[name] for name in ("field", "chi", "mask"))
        return nets.qsm_loss(net(field), chi, field, mask, constants)

    theirs = steps.in_layouts(3, _network, loss)
    return steps.contest(config, variants, _ours, theirs, theirs)


def _ours(config: Config, batch: Mapping) -> steps.Ours:
    built = model.build(config, "cpu")
    loss = built.loss_function(Normalisation(**PLAIN), brain.brain(0, 0, 0, (8, 8, 8)))
    return steps.compiled(built, loss, batch)


def _network(config: Config) -> nets.QSMnet:
    return nets.QSMnet(config.width, config.levels, config.window)
