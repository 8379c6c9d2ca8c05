"""The network of a breast run with its loss, optimiser and initial state."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from mrjax import losses
from mrjax.data.breast_slices import CHANNELS
from mrjax.nets.unet import UNet
from mrjax.tasks.breast.config import Config
from mrjax.tasks.build import TaskModel, arithmetic_of, leaf_shapes, master_dtype
from mrjax.train.step import LossFunction


class Model(TaskModel[Config, UNet]):
    """A breast U-Net with its loss and optimiser."""

    @functools.cached_property  # tracing the network takes a while
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of parameters and running statistics by leaf path."""
        edge = self.config.multiple
        image = jax.ShapeDtypeStruct((1, edge, edge, len(CHANNELS)), "float32")
        return leaf_shapes(self.net, image, True)

    def loss_function(self) -> LossFunction:
        """Return (params, batch_stats, batch) -> (loss, new batch_stats).

        L = 1 - soft_dice(sigmoid(y), mask), with the network's output y, over a batch of `image`
        (b, row, column, 3) and `mask` (b, row, column, 1); see `mrjax.losses.soft_dice`.

        Source: Piantadosi, Marrone and Sansone (2018), "Evaluation Strategy".
        """
        ar, dtype = self.arithmetic, master_dtype(self.config)

        def loss(params: PyTree, stats: PyTree, batch: Mapping[str, Array]) -> tuple[Array, PyTree]:
            image, mask = (batch[k].astype(dtype) for k in ("image", "mask"))
            output, changed = self.net.apply(
                {"params": params, "batch_stats": stats}, image, True, mutable=["batch_stats"]
            )
            probability = ar.sigmoid(jnp.asarray(output, dtype))
            overlap = losses.soft_dice(ar, probability, mask)
            return ar.sub(jnp.ones((), dtype), overlap), changed["batch_stats"]

        return loss

    def predictor(self) -> Callable[[PyTree, PyTree, Array], Array]:
        """Return the jitted map (params, batch_stats, image) -> probability of breast."""
        ar, dtype = self.arithmetic, master_dtype(self.config)

        @jax.jit
        def predict(params: PyTree, stats: PyTree, image: Array) -> Array:
            variables = {"params": params, "batch_stats": stats}
            output = self.net.apply(variables, image.astype(dtype), False)
            return ar.sigmoid(jnp.asarray(output, dtype))

        return predict


def build(config: Config, platform: str) -> Model:
    """Return the model of a configuration on a platform (``cpu`` or ``gpu``)."""
    ar = arithmetic_of(config, platform)
    net = UNet(
        width=config.width,
        levels=config.levels,
        window=(3, 3),
        momentum=config.momentum,
        arithmetic=ar,
    )
    return Model(config, ar, net)
