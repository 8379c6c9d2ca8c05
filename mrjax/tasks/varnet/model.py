"""The network of a VarNet run with its loss, optimiser and initial state."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Complex, PyTree

from mrjax import losses
from mrjax.nets import varnet
from mrjax.numerics.exact import divisor
from mrjax.physics import sense
from mrjax.tasks.build import (
    COMPLEX,
    TaskModel,
    arithmetic_of,
    leaf_shapes,
    learning_rate,
    master_dtype,
)
from mrjax.tasks.varnet.config import Config
from mrjax.train.step import LossFunction, Project

Acquired = Mapping[str, Any]


class Model(TaskModel[Config, varnet.VarNet]):
    """A variational network with its loss, optimiser and projection."""

    @property
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of the parameters by leaf path."""
        edge = 2 * self.config.window + 2
        shapes = ((1, edge, edge), (1, 1, edge, edge), (1, 1, edge, edge))
        images = [jax.ShapeDtypeStruct(shape, "complex64") for shape in shapes]
        found = leaf_shapes(self.net, *images, jax.ShapeDtypeStruct((1, edge), "float32"))
        return {"params": found["params"]}

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, or gradient descent with momentum, with the learning rate of `learning_rate`."""
        config, ar = self.config, self.arithmetic
        rate = learning_rate(ar, config.learning_rate, config.steps, config.cooldown)
        return ar.sgd(rate, config.momentum) if config.optimizer == "iipg" else ar.adam(rate)

    @property
    def project(self) -> Project | None:
        """Projection of the parameters after each update; None without ``--project``."""
        ar = self.arithmetic
        return (lambda params: varnet.project(ar, params)) if self.config.project else None

    def draw(self) -> dict[str, np.ndarray]:
        """Draw float32 parameters by leaf path; kernels have zero mean and unit norm."""
        drawn = super().draw()
        return {
            path: varnet.initial_kernel(value) if path.endswith("/kernel") else value
            for path, value in drawn.items()
        }

    def reconstruct(self, params: PyTree, batch: Acquired) -> tuple[Array, Array]:
        """Reconstruct a batch in the scale of the network.

        With the zero-filled image z = A* f, where A* is the adjoint of the encoding operator, and
        the scale s = max |z|, the network gets z / s and
        f / s.

        Args:
            params: parameters of the network.
            batch: `kspace` f and `maps` [b coil row column], `mask` [b column].

        Returns:
            The images [b row column], divided by the scale; and the scale [b 1 1], the largest
            magnitude of each zero-filled image.
        """
        ar, dtype = self.arithmetic, master_dtype(self.config)
        kspace, maps = (batch[k].astype(COMPLEX[dtype]) for k in ("kspace", "maps"))
        mask = batch["mask"].astype(dtype)
        first = sense.adjoint(ar, kspace, maps, mask)
        scale = divisor(losses.largest_magnitude(ar, first))
        image, samples = ar.div(first, scale), ar.div(kspace, scale[:, None])
        return jnp.asarray(self.net.apply({"params": params}, image, samples, maps, mask)), scale

    def loss_function(self) -> LossFunction:
        """Return (params, no statistics, batch) -> (loss, no statistics).

        L = complex_mse(u, r / s) or magnitude_mse(u, r / s) of `mrjax.losses`, as `config.loss`
        says, with the network's image u, the `reference` r [b row column] and the scale s of
        `reconstruct`.

        Source: Hammernik et al. 2018, Eq. 7 (magnitudes).
        """
        ar, dtype = self.arithmetic, master_dtype(self.config)
        error = losses.complex_mse if self.config.loss == "complex" else losses.magnitude_mse

        def loss(params: PyTree, stats: PyTree, batch: Acquired) -> tuple[Array, PyTree]:
            image, scale = self.reconstruct(params, batch)
            reference = ar.div(batch["reference"].astype(COMPLEX[dtype]), scale)
            return error(ar, image, reference), stats

        return loss

    def predictor(
        self,
    ) -> Callable[[PyTree, Acquired], Complex[Array, "b row column"]]:
        """Return the jitted map (params, batch) -> images in the unit of the reference."""

        @jax.jit
        def predict(params: PyTree, batch: Acquired) -> Array:
            image, scale = self.reconstruct(params, batch)
            return self.arithmetic.mul(image, scale)

        return predict


def build(config: Config, platform: str) -> Model:
    """Return the model of a configuration on a platform (``cpu`` or ``gpu``)."""
    ar = arithmetic_of(config, platform)
    net = varnet.VarNet(
        ar, width=config.width, stages=config.stages, window=config.window, nodes=config.nodes
    )
    return Model(config, ar, net)
