"""The end-to-end VarNet of a run with its loss, optimiser and initial state."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mrjax import losses
from mrjax.nets import e2e
from mrjax.numerics.exact import divisor, parts, safe_unit
from mrjax.tasks.build import COMPLEX, TaskModel, arithmetic_of, leaf_shapes, master_dtype
from mrjax.tasks.e2e.config import SMALLEST, Config
from mrjax.train.step import LossFunction

Acquired = Mapping[str, Any]


class Model(TaskModel[Config, e2e.E2EVarNet]):
    """An end-to-end variational network with its loss and optimiser."""

    @property
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of the parameters by leaf path."""
        edge = 2 * SMALLEST
        kspace = jax.ShapeDtypeStruct((1, 1, edge, edge), "complex64")
        mask = jax.ShapeDtypeStruct((1, edge), "float32")
        return {"params": leaf_shapes(self.net, kspace, mask)["params"]}

    def draw(self) -> dict[str, np.ndarray]:
        """Draw float32 parameters by leaf path; kernels are uniform on +-1 / sqrt(fan-in).

        Instance normalisation takes the scale of all kernels back but that of the last layer, which
        says by how much a U-Net changes its image at first; ``--last_scale`` multiplies it. He's
        variance would be six times as large.

        Source: torch.nn.Conv2d, which fastmri.models.VarNet leaves as it is (its biases are drawn,
        ours are 0).
        """
        share, last = np.float32(1 / math.sqrt(6)), np.float32(self.config.last_scale)
        drawn = {
            path: value * share if path.endswith("kernel") else value
            for path, value in super().draw().items()
        }
        return {k: v * last if k.endswith("unet/out/kernel") else v for k, v in drawn.items()}

    def reconstruct(self, params: PyTree, batch: Acquired) -> tuple[Array, Array]:
        """Reconstruct a batch in the scale of the network.

        Args:
            params: parameters of the network.
            batch: `kspace` [b coil row column], `mask` [b column], `lines` [b].

        Returns:
            The images [b row column], divided by a unit; and the unit [b], which is 1 unless
            squares of the k-space would leave the range of float32.
        """
        ar, dtype = self.arithmetic, master_dtype(self.config)
        kspace = batch["kspace"].astype(COMPLEX[dtype])
        sizes = jnp.stack([jnp.abs(part) for part in parts(kspace)])
        unit = safe_unit(jnp.max(sizes, axis=(0, 2, 3, 4)))
        scaled = ar.div(kspace, unit.reshape(-1, 1, 1, 1))
        mask = batch["mask"].astype(dtype)
        return jnp.asarray(self.net.apply({"params": params}, scaled, mask, batch["lines"])), unit

    def loss_function(self) -> LossFunction:
        """Return (params, no statistics, batch) -> (loss, no statistics).

        L = ssim_loss(u / r, y / r) of `mrjax.losses` with data range 1, for the image u of the
        network, cut to the size of the `reference` y [b row column], and the `data_range` r [b],
        the largest value of the references of a volume. This is the loss with data range r:
        structural similarity does not depend on the unit of its images.

        Source: Sriram et al., MICCAI 2020, section 3; fastmri.losses.SSIMLoss.
        """
        ar, dtype = self.arithmetic, master_dtype(self.config)

        def loss(params: PyTree, stats: PyTree, batch: Acquired) -> tuple[Array, PyTree]:
            image, unit = self.reconstruct(params, batch)
            reference = batch["reference"].astype(dtype)
            largest = divisor(batch["data_range"].astype(dtype))
            x = e2e.cropped(image, reference.shape[1:])
            x = ar.div(x, ar.div(largest, unit).reshape(-1, 1, 1))
            y = ar.div(reference, largest.reshape(-1, 1, 1))
            return losses.ssim_loss(ar, x, y, jnp.ones_like(largest)), stats

        return loss

    def predictor(self) -> Callable[[PyTree, Acquired], Float[Array, "b row column"]]:
        """Return the jitted map (params, batch) -> whole images in the unit of the reference."""

        @jax.jit
        def predict(params: PyTree, batch: Acquired) -> Array:
            image, unit = self.reconstruct(params, batch)
            return self.arithmetic.mul(image, unit.reshape(-1, 1, 1))

        return predict


def build(config: Config, platform: str) -> Model:
    """Return the model of a configuration on a platform (``cpu`` or ``gpu``)."""
    ar = arithmetic_of(config, platform)
    net = e2e.E2EVarNet(
        ar,
        cascades=config.cascades,
        width=config.width,
        levels=config.levels,
        sens_width=config.sens_width,
        sens_levels=config.sens_levels,
    )
    return Model(config, ar, net)
