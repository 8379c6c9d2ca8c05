"""The end-to-end variational network and its loss compute by the order-free arithmetic alone."""

import jax
import jax.numpy as jnp
import pytest
from numerics.reproducible.graph import rounding

from mrjax import losses
from mrjax.nets import e2e, norm_unet
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible

SHAPE = (2, 2, 18, 20)
KSPACE = jax.ShapeDtypeStruct(SHAPE, jnp.complex64)
MASK = jax.ShapeDtypeStruct((2, 20), jnp.float32)
REFERENCE = jax.ShapeDtypeStruct((2, *SHAPE[2:]), jnp.float32)
LINES = jax.ShapeDtypeStruct((2,), jnp.int64)


def walked(ar):
    """Faults in the loss and the gradients of a batch."""
    net = e2e.E2EVarNet(ar, cascades=2, width=2, levels=1, sens_width=2, sens_levels=1)
    variables = jax.eval_shape(net.init, jax.random.key(0), KSPACE, MASK)

    def loss(params, kspace, mask, lines, reference):
        image = net.apply({"params": params}, kspace, mask, lines)
        return losses.ssim_loss(ar, image, reference, jnp.max(reference, (1, 2)))

    step = jax.value_and_grad(loss)
    return rounding(jax.make_jaxpr(step)(variables["params"], KSPACE, MASK, LINES, REFERENCE))


@pytest.mark.parametrize("form", ["lax", "products"])
def test_every_float_operation_is_the_arithmetics(form):
    found = walked(Reproducible(form))
    assert not found, "\n".join(f"{n} x {what}" for what, n in found.most_common(40))


def test_native_arithmetic_is_found():
    """Positive control of the walk."""
    names = {what.split()[0] for what in walked(Native())}
    assert {"conv_general_dilated", "dot_general", "reduce_sum", "sqrt", "fft"} <= names


def test_a_raw_mean_is_found(monkeypatch):
    def raw(ar, x):
        b, rows, columns, c = x.shape
        return jnp.mean(x.reshape(b, rows // 2, 2, columns // 2, 2, c), (2, 4))

    monkeypatch.setattr(norm_unet, "average_pool", raw)
    assert any(what.startswith("reduce_sum is past") for what in walked(Reproducible()))
