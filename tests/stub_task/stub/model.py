"""One weight."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mrjax.tasks.build import TaskModel, arithmetic_of, leaf_shapes


class Net(nn.Module):
    arithmetic: Any

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", nn.initializers.zeros, (1, 1), jnp.float32)
        return self.arithmetic.mul(x, jnp.broadcast_to(kernel, x.shape))


class Model(TaskModel):
    @property
    def shapes(self):
        return leaf_shapes(self.net, jax.ShapeDtypeStruct((1, 1), "float32"))

    def loss_function(self):
        def loss(params, stats, batch):
            error = self.net.apply({"params": params}, batch["x"]) - batch["y"]
            return jnp.mean(error**2), stats

        return loss


def build(config, platform):
    arithmetic = arithmetic_of(config, platform)
    return Model(config, arithmetic, Net(arithmetic))
