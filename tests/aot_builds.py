"""Functions to compile for a GPU, in the form tests/aot.py asks for.

The networks are those of the presets tiny with as few layers as show every operation: the compiler
takes a minute for them all the same.
"""

import functools
from unittest import mock

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.nets.unet import ConvBlock, UNet
from mrjax.tasks.breast import config as breast_config
from mrjax.tasks.breast import model as breast_model
from mrjax.tasks.e2e import config as e2e_config
from mrjax.tasks.e2e import model as e2e_model
from mrjax.tasks.qsm import config as qsm_config
from mrjax.tasks.qsm import model as qsm_model
from mrjax.tasks.varnet import config as varnet_config
from mrjax.tasks.varnet import model as varnet_model
from mrjax.train.step import make_step

X = jax.ShapeDtypeStruct((1, 8, 8, 8, 4), jnp.float32)


def max_pool_gradient():
    """The stock pooling: its gradient is select-and-scatter, with atomics on a GPU."""

    def loss(x):
        return jnp.sum(nn.max_pool(x, (2, 2, 2), strides=(2, 2, 2)) ** 2)

    return jax.grad(loss), (X,)


def convolution_gradient():
    """A 3-D convolution, its weight gradient and a sum: cuDNN calls, no atomics."""

    def loss(kernel, x):
        numbers = ("NDHWC", "DHWIO", "NDHWC")
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1, 1), "SAME", dimension_numbers=numbers, precision="highest"
        )
        return jnp.mean(jnp.abs(y))

    return jax.grad(loss), (jax.ShapeDtypeStruct((5, 5, 5, 4, 8), jnp.float32), X)


def train_step(built, loss, project=None):
    """A model's step as a run takes it."""
    optimizer, ar = built.optimizer, built.arithmetic
    return make_step(loss, optimizer, arithmetic=ar, dynamic_scale=False, project=project)


def one_block(net, x, name, level, train):
    """In place of the U-Net's pairs of blocks."""
    features = net.width * 2**level
    block = ConvBlock(features, net.window, net.arithmetic, momentum=net.momentum, name=name)
    return block(x, train)


def with_single_blocks(make):
    """A U-Net's step with one block of layers wherever it has two.

    Both compile to the same kinds of kernels, of which order-free arithmetic makes hundreds.
    """

    @functools.wraps(make)
    def smaller(**fields):
        with mock.patch.object(UNet, "_pair", one_block):
            step, arguments = make(**fields)

        def patched(*values):
            with mock.patch.object(UNet, "_pair", one_block):
                return step(*values)

        return patched, arguments

    return smaller


@with_single_blocks
def qsm_train_step(**fields):
    """The whole training step of QSMnet: forward, loss, gradients, Adam, digests."""
    config = qsm_config.Config(**{**qsm_config.PRESETS["tiny"], "levels": 1, **fields})
    constants = Normalisation(field_mean=0.0, field_std=0.02, chi_mean=0.0, chi_std=0.04)
    empty = np.zeros((2, 2, 2), np.float32)
    geometry = QsmSubject(name="none", field=empty, chi=empty, mask=empty > 0)
    built = qsm_model.build(config, "gpu")
    step = train_step(built, built.loss_function(constants, geometry))
    patches = jax.ShapeDtypeStruct((config.batch_size, *(config.patch,) * 3, 1), jnp.float32)
    batch = dict.fromkeys(("field", "chi", "mask"), patches)
    return step, (built.initial_state(), batch)


def varnet_train_step(**fields):
    """The whole training step of the variational network, projections included."""
    config = varnet_config.Config(**{**varnet_config.PRESETS["tiny"], "stages": 2, **fields})
    built = varnet_model.build(config, "gpu")
    step = train_step(built, built.loss_function(), built.project)
    sizes = (config.batch_size, config.coils, config.rows, config.columns)
    coils = jax.ShapeDtypeStruct(sizes, jnp.complex64)
    batch = {
        "kspace": coils,
        "maps": coils,
        "mask": jax.ShapeDtypeStruct((sizes[0], sizes[3]), jnp.float32),
        "reference": jax.ShapeDtypeStruct((sizes[0], *sizes[2:]), jnp.complex64),
    }
    return step, (built.initial_state(), batch)


@with_single_blocks
def breast_train_step(**fields):
    """The whole training step of the breast U-Net."""
    config = breast_config.Config(**{**breast_config.PRESETS["tiny"], "levels": 1, **fields})
    built = breast_model.build(config, "gpu")
    step = train_step(built, built.loss_function())
    sizes = (config.batch_size, config.rows, config.columns)
    batch = {
        "image": jax.ShapeDtypeStruct((*sizes, 3), jnp.float32),
        "mask": jax.ShapeDtypeStruct((*sizes, 1), jnp.float32),
    }
    return step, (built.initial_state(), batch)


def e2e_train_step(**fields):
    """The whole training step of the end-to-end variational network."""
    sizes = {"cascades": 1, "width": 2, "levels": 1, "sens_levels": 1}
    config = e2e_config.Config(**{**e2e_config.PRESETS["tiny"], **sizes, **fields})
    built = e2e_model.build(config, "gpu")
    step = train_step(built, built.loss_function())
    b, coils, rows, columns = config.batch_size, config.coils, config.rows, config.columns
    batch = {
        "kspace": jax.ShapeDtypeStruct((b, coils, rows, columns), jnp.complex64),
        "mask": jax.ShapeDtypeStruct((b, columns), jnp.float32),
        "reference": jax.ShapeDtypeStruct((b, rows, columns), jnp.float32),
        "lines": jax.ShapeDtypeStruct((b,), jnp.int32),
        "data_range": jax.ShapeDtypeStruct((b,), jnp.float32),
    }
    return step, (built.initial_state(), batch)


reproducible_e2e_train_step = functools.partial(e2e_train_step, numerics="reproducible")
reproducible_qsm_train_step = functools.partial(qsm_train_step, numerics="reproducible")
reproducible_breast_train_step = functools.partial(breast_train_step, numerics="reproducible")
reproducible_varnet_train_step = functools.partial(
    varnet_train_step, numerics="reproducible", stages=1
)
