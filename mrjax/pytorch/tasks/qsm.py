"""The engine of a QSM run in PyTorch; the rest is that of :mod:`mrjax.tasks.qsm`."""

import functools

from mrjax.physics import dipole
from mrjax.pytorch import losses, nets
from mrjax.pytorch.engine import Task, TorchEngine
from mrjax.pytorch.tasks import common
from mrjax.tasks.qsm.inputs import Inputs
from mrjax.tasks.qsm.model import Model


def engine(device: str, built: Model, inputs: Inputs) -> TorchEngine:
    """Return QSMnet in PyTorch."""
    config, normalisation = built.config, inputs.constants.normalisation
    kernel = None
    if inputs.train:
        first, edge = inputs.train[0], (config.patch,) * 3
        kernel = common.placed(
            dipole.kernel(edge, first.voxel_size, first.b0_direction), config, device
        )
    constants = nets.QsmConstants(
        kernel,
        normalisation.field_mean,
        normalisation.field_std,
        normalisation.chi_mean,
        normalisation.chi_std,
        config.model_weight,
        config.gradient_weight,
    )
    net = nets.QSMnet(config.width, config.levels, config.window, config.momentum)
    task = Task(
        network=common.loaded(net, inputs.initial, config, device),
        channels=True,
        loss=functools.partial(losses.qsm_loss, constants=constants),
        predict=functools.partial(losses.qsm_predict, constants=constants),
        rates=common.rates(built),
    )
    return common.engine(config, device, task)
