"""The network of a QSM run with its loss, optimiser and initial state."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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
from mrjax.train import slabs
from mrjax.train.progress import Share
from mrjax.train.step import LossFunction


class Model(TaskModel[Config, UNet]):
    """A QSM network with its loss and optimiser."""

    @property
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of parameters and running statistics by leaf path."""
        edge = self.config.multiple
        return leaf_shapes(
            self.net, jax.ShapeDtypeStruct((1, edge, edge, edge, 1), "float32"), True
        )

    def loss_function(self, constants: Normalisation, geometry: QsmSubject) -> LossFunction:
        """Return (params, batch_stats, batch) -> (loss, new batch_stats).

        L = l1(y, t) + model_weight model(chi, field, mask) + gradient_weight
        gradient_difference(y, t), with the network's output y, the standardised reference t, the
        susceptibility chi of y, and the terms of `mrjax.losses`.

        Args:
            constants: normalisation of the training subjects.
            geometry: any training subject; all have its voxel size and B0 direction.

        Returns:
            The loss, a function of batches of `field`, `chi` [ppm] and `mask`, each
            (b, x, y, z, 1).

        Source: Yoon et al., NeuroImage 179 (2018), "Loss function".
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
        """Return the jitted map (params, batch_stats, field) -> chi, both in ppm."""

        @jax.jit
        def predict(params: PyTree, stats: PyTree, field: Array) -> Array:
            return self._predicted(self.arithmetic, self.net, constants, params, stats, field)

        return predict

    def predictor_by_planes(
        self, constants: Normalisation, planes: int, device: Any
    ) -> Callable[[PyTree, PyTree, np.ndarray], np.ndarray]:
        """Return the same map for large volumes, with a bounded memory; it shows its progress.

        Args:
            constants: normalisation of the training subjects.
            planes: that are computed at a time, even.
            device: where they are computed.

        Returns:
            The map, see `mrjax.train.slabs`.
        """

        def predict(params: PyTree, stats: PyTree, field: np.ndarray) -> np.ndarray:
            variables = {"params": params, "batch_stats": stats}
            whole = slabs.products(self.net, variables, field.shape)
            with Share(whole) as share, jax.default_device(jax.devices("cpu")[0]):
                ar: Any = slabs.Slabs(self.arithmetic, planes, device, share.add)
                net = self.net.clone(arithmetic=ar)
                return self._predicted(ar, net, constants, params, stats, field)

        return predict

    def _predicted(
        self,
        ar: Arithmetic,
        net: UNet,
        constants: Normalisation,
        params: PyTree,
        stats: PyTree,
        field: Any,
    ) -> Any:
        dtype = master_dtype(self.config)
        inputs = standardise(ar, field.astype(dtype), constants.field_mean, constants.field_std)
        output: Any = net.apply({"params": params, "batch_stats": stats}, inputs, False)
        return restore(ar, output.astype(dtype), constants.chi_mean, constants.chi_std)


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
