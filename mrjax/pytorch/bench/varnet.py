"""The training step of the variational network: ours, the public code's form, a tuned form."""

import functools
from collections.abc import Iterable, Mapping

import torch

from mrjax.pytorch import public_varnet, varnet
from mrjax.pytorch.bench import steps
from mrjax.tasks.varnet import model
from mrjax.tasks.varnet.config import Config

FORMS = {"public": varnet.VarNet, "tuned": varnet.TunedVarNet}


def contest(config: Config, variants: Iterable[str]) -> steps.Contest:
    """Return ours against eager PyTorch in both forms; see `steps.contest`.

    The public code's form is the peer; its window is fixed, so that of `config` must be the same.
    """
    theirs = {name: functools.partial(_theirs, form) for name, form in FORMS.items()}
    return steps.contest(config, variants, _ours, theirs, ("public",))


def _ours(config: Config, batch: Mapping) -> steps.Ours:
    built = model.build(config, "cpu")
    return steps.compiled(built, built.loss_function(), batch, built.project)


def _theirs(form: type[varnet.VarNet], config: Config, batch: Mapping) -> steps.Step:
    net = form(config.stages, config.width, config.nodes)
    leaves = model.build(config, "cpu").initial_params()
    net.load_state_dict(public_varnet.to_state_dict(leaves), strict=True)
    kspace, maps, mask, reference = (
        torch.from_numpy(batch[name]) for name in ("kspace", "maps", "mask", "reference")
    )

    def loss() -> torch.Tensor:
        first = varnet.adjoint_model(kspace, maps, mask)
        scale = first.abs().amax(dim=(1, 2), keepdim=True)
        image = net(first / scale, kspace / scale[:, None], maps, mask)
        return varnet.mean_squared_error(image, reference / scale)

    project = varnet.project if config.project else None
    return steps.eager(net, loss, config.learning_rate, project)
