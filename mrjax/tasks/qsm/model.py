"""The network of a QSM run with its loss, optimizer and initial state."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.traverse_util as traverse
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from mrjax import losses
from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.nets.initial import initialise
from mrjax.nets.qsmnet import qsmnet
from mrjax.nets.unet import UNet
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.native import Native
from mrjax.physics import dipole
from mrjax.tasks.qsm.config import Config
from mrjax.train.step import LossFunction, State, initial_state

FIRST_HALF_SCALE = 2.0**15


def arithmetic_of(config: Config, platform: str) -> Arithmetic:
    """Return what computes: on a CPU the fast forms of convolution, elsewhere the library's."""
    products = config.conv_form == "products" or (config.conv_form == "auto" and platform == "cpu")
    return Native(dtype=config.dtype, conv_form="products" if products else "lax")


def master_dtype(config: Config) -> str:
    """Type of parameters, statistics, losses and updates: float32, or float64 if asked for."""
    return "float64" if config.dtype == "float64" else "float32"


@dataclasses.dataclass(frozen=True)
class Model:
    """A QSM network and what trains it.

    Attributes:
        config: the run's configuration.
        arithmetic: what computes.
        net: the Linen module.
    """

    config: Config
    arithmetic: Arithmetic
    net: UNet

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, as in the publication, with the learning rate of `cooldown`."""
        config = self.config
        if not config.cooldown:
            return self.arithmetic.adam(config.learning_rate)
        return self.arithmetic.adam(
            cooldown(self.arithmetic, config.learning_rate, config.steps, config.cooldown)
        )

    def initial_params(self) -> dict[str, np.ndarray]:
        """Draw float32 parameters by leaf path; the same on any machine, in any data type."""
        shapes = {path: leaf.shape for path, leaf in self._shapes("params").items()}
        return initialise(shapes, self.config.seed_for("init"), self.config.init)

    def initial_state(self, params: Mapping[str, np.ndarray]) -> State:
        """Return the state before the first step."""
        dtype = master_dtype(self.config)
        tree = traverse.unflatten_dict({k: jnp.asarray(v, dtype) for k, v in params.items()}, "/")
        stats = {k: jnp.zeros(v.shape, dtype) for k, v in self._shapes("batch_stats").items()}
        scale = FIRST_HALF_SCALE if self.config.dtype == "float16" else 1.0
        return initial_state(tree, traverse.unflatten_dict(stats, "/"), self.optimizer, scale)

    def loss_function(self, constants: Normalisation, geometry: QsmSubject) -> LossFunction:
        """Return (params, batch_stats, batch) -> (loss, new batch_stats).

        Args:
            constants: normalisation of the training subjects.
            geometry: any training subject; gives voxel size and B0 direction of all.

        Returns:
            The loss of Yoon et al.: L1 + model_weight x model + gradient_weight x gradient
            difference, on batches of `field`, `chi` [ppm] and `mask`, each (b, x, y, z, 1).
        """
        config, ar, dtype = self.config, self.arithmetic, master_dtype(self.config)
        edge = (config.patch,) * 3
        kernel = jnp.asarray(dipole.kernel(edge, geometry.voxel_size, geometry.b0_direction), dtype)

        def loss(params: PyTree, stats: PyTree, batch: Mapping[str, Array]) -> tuple[Array, PyTree]:
            field, chi, mask = (batch[k].astype(dtype) for k in ("field", "chi", "mask"))
            inputs = standardise(ar, field, constants.field_mean, constants.field_std)
            target = standardise(ar, chi, constants.chi_mean, constants.chi_std)
            output, changed = self.net.apply(
                {"params": params, "batch_stats": stats}, inputs, True, mutable=["batch_stats"]
            )
            output = output.astype(dtype)
            predicted = restore(ar, output, constants.chi_mean, constants.chi_std)
            parts = (
                (1.0, losses.l1(ar, output, target)),
                (config.model_weight, losses.model(ar, predicted, field, mask, kernel)),
                (config.gradient_weight, losses.gradient_difference(ar, output, target)),
            )
            total = jnp.zeros((), dtype)
            for weight, part in parts:
                total = ar.add(total, ar.mul(part, jnp.asarray(weight, dtype)))
            return total, changed["batch_stats"]

        return loss

    def predictor(self, constants: Normalisation) -> Callable[[PyTree, PyTree, Array], Array]:
        """Return the jitted map (params, batch_stats, field) -> chi, in ppm."""
        ar, dtype = self.arithmetic, master_dtype(self.config)

        @jax.jit
        def predict(params: PyTree, stats: PyTree, field: Array) -> Array:
            inputs = standardise(ar, field.astype(dtype), constants.field_mean, constants.field_std)
            variables = {"params": params, "batch_stats": stats}
            output = jnp.asarray(self.net.apply(variables, inputs, False), dtype)
            return restore(ar, output, constants.chi_mean, constants.chi_std)

        return predict

    def _shapes(self, collection: str) -> dict[str, Any]:
        edge = self.config.multiple
        image = jax.ShapeDtypeStruct((1, edge, edge, edge, 1), "float32")
        key = jax.random.key(0, impl="threefry2x32")
        tree = jax.eval_shape(lambda k, x: self.net.init(k, x, True), key, image)
        return traverse.flatten_dict(tree[collection], sep="/")


def build(config: Config, platform: str) -> Model:
    """Return the model of a configuration on a platform (``cpu`` or ``gpu``)."""
    ar = arithmetic_of(config, platform)
    net = qsmnet(
        ar,
        width=config.width,
        levels=config.levels,
        window=config.window,
        momentum=config.momentum,
    )
    return Model(config, ar, net)


def cooldown(ar: Arithmetic, rate: float, steps: int, share: float) -> optax.Schedule:
    """Return a learning rate that is constant, then falls linearly to zero.

    Args:
        ar: what computes.
        rate: the constant.
        steps: steps of the whole training.
        share: part of them, at the end, over which it falls, above 0.

    Returns:
        Number of steps taken so far -> learning rate.
    """
    falling = steps * share

    def schedule(count: Any) -> Array:
        taken = jnp.asarray(count)
        dtype = taken.dtype if jnp.issubdtype(taken.dtype, jnp.floating) else jnp.float32
        left = ar.sub(jnp.asarray(steps, dtype), taken.astype(dtype))
        part = jnp.minimum(ar.div(left, jnp.asarray(falling, dtype)), 1)
        return ar.mul(jnp.asarray(rate, dtype), part)

    return schedule


def standardise(ar: Arithmetic, x: Array, mean: float, std: float) -> Array:
    """Return (x - mean) / std."""
    return ar.div(ar.sub(x, jnp.asarray(mean, x.dtype)), jnp.asarray(std, x.dtype))


def restore(ar: Arithmetic, x: Array, mean: float, std: float) -> Array:
    """Return x * std + mean, the inverse of `standardise`."""
    return ar.add(ar.mul(x, jnp.asarray(std, x.dtype)), jnp.asarray(mean, x.dtype))
