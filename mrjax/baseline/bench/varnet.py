"""The variational network's training step: ours, the public code's form, a tuned form."""

import functools
from collections.abc import Iterable, Mapping

import numpy as np
import torch

from mrjax.baseline import public_varnet, varnet
from mrjax.baseline.bench import steps
from mrjax.tasks.varnet import model
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
    batch = example(config)
    ours = steps.compiled_variants(config, variants, functools.partial(_ours, batch))
    theirs = {name: _peer(config, batch, name) for name in FORMS}
    return steps.Contest(ours, theirs, ("public",))


def example(config: Config) -> dict[str, np.ndarray]:
    """Return a batch of noise with every fourth column acquired."""
    rng = np.random.default_rng(0)
    shape = (config.batch_size, config.coils, config.rows, config.columns)
    draw = lambda *s: (rng.standard_normal((*s, 2)) @ [1, 1j]).astype(np.complex64)  # noqa: E731
    mask = np.zeros((config.batch_size, config.columns), np.float32)
    mask[:, :: config.acceleration] = 1
    maps = draw(*shape)
    maps = maps / np.sqrt(np.sum(np.abs(maps) ** 2, axis=1, keepdims=True))
    kspace = draw(*shape) * mask[:, None, None]
    return {
        "kspace": kspace,
        "maps": maps.astype(np.complex64),
        "mask": mask,
        "reference": draw(shape[0], *shape[2:]),
    }


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
