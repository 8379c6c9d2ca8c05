"""The network of a QSM run with its loss, optimizer and initial state."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from mrjax import losses
from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.nets.qsmnet import qsmnet
from mrjax.nets.unet import UNet
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.physics import dipole
from mrjax.tasks.build import TaskModel, arithmetic_of, leaf_shapes, master_dtype
from mrjax.tasks.qsm.config import Config
from mrjax.train.step import LossFunction


class Model(TaskModel[Config, UNet]):
    """A QSM network and what trains it."""

    @property
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of parameters and running statistics by leaf path."""
        edge = self.config.multiple
        return leaf_shapes(
            self.net, jax.ShapeDtypeStruct((1, edge, edge, edge, 1), "float32"), True
        )

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
            modelled, plain, differentiated = ar.copies(output.astype(dtype), 3)
            predicted = restore(ar, modelled, constants.chi_mean, constants.chi_std)
            parts = (
                (1.0, losses.l1(ar, plain, target)),
                (config.model_weight, losses.model(ar, predicted, field, mask, kernel)),
                (config.gradient_weight, losses.gradient_difference(ar, differentiated, target)),
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


def standardise(ar: Arithmetic, x: Array, mean: float, std: float) -> Array:
    """Return (x - mean) / std."""
    return ar.div(ar.sub(x, jnp.asarray(mean, x.dtype)), jnp.asarray(std, x.dtype))


def restore(ar: Arithmetic, x: Array, mean: float, std: float) -> Array:
    """Return x * std + mean, the inverse of `standardise`."""
    return ar.add(ar.mul(x, jnp.asarray(std, x.dtype)), jnp.asarray(mean, x.dtype))
