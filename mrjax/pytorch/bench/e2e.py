"""The training step of the end-to-end VarNet: ours, our twin, and the package fastmri's module."""

import functools
import importlib.util
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from mrjax.nets import fastmri_names
from mrjax.pytorch import e2e, losses, weights
from mrjax.pytorch.bench import steps
from mrjax.tasks.e2e import model
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.e2e.inputs import ARCHITECTURE

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def contest(config: Config, variants: Iterable[str]) -> steps.Contest:
    """Return ours against eager PyTorch; see `steps.contest`.

    The peers are the module of the package fastmri in both memory layouts; where the package is not
    installed, our twin.
    """
    theirs = {"twin": _twin}
    if importlib.util.find_spec("fastmri"):
        theirs |= {
            f"fastmri_{name}": functools.partial(_package, form) for name, form in LAYOUTS.items()
        }
    peers = [name for name in theirs if name != "twin"] or ["twin"]
    return steps.contest(config, variants, _ours, theirs, peers)


def _ours(config: Config, batch: Mapping) -> steps.Ours:
    built = model.build(config, "cpu")
    return steps.compiled(built, built.loss_function(), batch)


def _twin(config: Config, batch: Mapping) -> steps.Step:
    net = e2e.E2EVarNet(**_sizes(config))
    weights.load_weights(net, model.build(config, "cpu").initial_params())
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    return steps.eager(net, lambda: losses.e2e_loss(net, tensors), config.learning_rate)


def _package(form: torch.memory_format, config: Config, batch: Mapping) -> steps.Step:
    """The module and the loss of the package, as its training uses them."""
    from fastmri.losses import SSIMLoss
    from fastmri.models import VarNet

    net = VarNet(
        config.cascades, config.sens_width, config.sens_levels, config.width, config.levels
    )
    sizes = fastmri_names.Sizes(**_sizes(config))
    leaves = fastmri_names.exported(sizes, model.build(config, "cpu").initial_params())
    net.load_state_dict({name: torch.from_numpy(array) for name, array in leaves.items()})
    network: nn.Module = net.to(memory_format=form)  # pyright: ignore[reportCallIssue]
    measure = SSIMLoss()
    kspace = torch.view_as_real(torch.from_numpy(batch["kspace"]))
    mask = torch.from_numpy(batch["mask"] != 0)[:, None, None, :, None]
    lines = int(batch["lines"][0])  # the package takes one number for all
    reference, largest = (torch.from_numpy(batch[k]) for k in ("reference", "data_range"))

    def loss() -> torch.Tensor:
        image = network(kspace, mask, lines)
        return measure(image[:, None], reference[:, None], largest)

    return steps.eager(network, loss, config.learning_rate)


def _sizes(config: Config) -> dict[str, int]:
    return {name: getattr(config, name) for name in ARCHITECTURE}
