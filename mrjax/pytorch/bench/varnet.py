"""The variational network's training step: ours, the public code's form, a tuned form."""

import functools
from collections.abc import Iterable, Mapping

import torch

from mrjax.pytorch import public_varnet, varnet
from mrjax.pytorch.bench import steps
from mrjax.tasks.varnet import model, noise
from mrjax.tasks.varnet.config import Config

FORMS = {"public": varnet.VarNet, "tuned": varnet.TunedVarNet}


def contest(config: Config, variants: Iterable[str]) -> steps.Contest:
    """Return ours against eager PyTorch as published and as tuned; time ignores the values.

    Args:
        config: of the run whose step is timed; its window must be the public code's.
        variants: of ours that are timed beside it, keys of `steps.VARIANTS`.

    Returns:
        What to time; the peer is the public form.
    """
    batch = noise.batch(config)
    ours = steps.compiled_variants(config, variants, functools.partial(_ours, batch))
    theirs = {name: _peer(config, batch, name) for name in FORMS}
    return steps.Contest(ours, theirs, ("public",))


def _ours(batch: Mapping, config: Config) -> steps.Ours:
    built = model.build(config, "cpu")
    return steps.compiled(built, built.loss_function(), batch, built.project)


def _peer(config: Config, batch: Mapping, form: str) -> steps.Step:
    net = FORMS[form](config.stages, config.width, config.nodes)
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
