"""Program of test_bits.py: digests of every operation and its gradients, as one line of JSON.

Arguments: the number of devices over which batches are spread; the form of convolutions.
"""

import functools
import hashlib
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from mrjax import losses
from mrjax.nets import norm_unet
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible

BATCH = 4

CONTROLS = ("line", "div_scalar", "sum", "conv", "rbf")
"""Operations that native arithmetic computes as well."""


def drawn(*shape):
    """Magnitudes over six decades, of both signs."""
    rng = np.random.default_rng(shape)
    return (rng.uniform(-1, 1, shape) * 10.0 ** rng.uniform(-3, 3, shape)).astype(np.float32)


def complex_of(*shape):
    return drawn(*shape) + 1j * drawn(*shape, 1)[..., 0]


def operations():
    """Name -> (operation of an arithmetic and arrays, arrays; those with a batch come first)."""
    image, other = drawn(BATCH, 6, 5, 3), drawn(BATCH, 6, 5, 3) + np.float32(0.3)
    wave, channel = complex_of(BATCH, 6, 5), drawn(3)
    return {
        "line": (lambda ar, x, y, b: ar.add(ar.mul(x, y), b), image, other, drawn(1, 1, 1, 3)),
        "sub": (lambda ar, x, y: ar.sub(x, y), image, other),
        "div": (lambda ar, x, y: ar.div(x, y), image, other),
        "div_scalar": (lambda ar, x, y: ar.div(x, y), image, drawn(1)[0] + np.float32(1)),
        "root": (lambda ar, x: ar.sqrt(ar.mul(x, x)), image),
        "norm": (lambda ar, x: ar.div(x, ar.sqrt(ar.sum(ar.mul(x, x)))), image),
        "sum": (lambda ar, x: ar.sum(x, (0, 1, 2)), drawn(BATCH, 40, 20, 3)),
        "mean": (lambda ar, x: ar.mean(x, (1, 2)), drawn(BATCH, 40, 20, 3)),
        "complex_mul": (lambda ar, x, y: ar.mul(x, y), wave, wave[::-1] + 1),
        "complex_div": (lambda ar, x, y: ar.div(x, y), wave, wave[::-1] + 1),
        "fft": (lambda ar, x: ar.fft(x, (1, 2)), wave),
        "ifft": (lambda ar, x: ar.ifft(x, (2, 1)), image),
        "sigmoid": (lambda ar, x: ar.sigmoid(x), image),
        "rbf": (lambda ar, x, w: ar.rbf(x, w, -1.0, 1.0), image, drawn(3, 31)),
        "conv": (lambda ar, x, k: ar.conv(x, k), image, drawn(3, 3, 3, 4)),
        "conv3d": (lambda ar, x, k: ar.conv(x, k), drawn(BATCH, 4, 4, 4, 2), drawn(3, 3, 3, 2, 3)),
        "conv_transpose": (lambda ar, x, k: ar.conv_transpose(x, k), image, drawn(2, 2, 3, 2)),
        "batch_norm": (lambda ar, *a: ar.batch_norm(*a, 1e-3)[0], image, channel, channel),
        "leaky_relu": (lambda ar, x: ar.leaky_relu(x, 0.1), image),
        "instance_norm": (norm_unet.instance_norm, image),
        "average_pool": (norm_unet.average_pool, drawn(BATCH, 6, 4, 3)),
        "standardised": (lambda ar, x: norm_unet.standardised(ar, x)[0], image),
        "ssim_loss": (losses.ssim_loss, *np.abs(drawn(2, BATCH, 9, 8)), np.abs(drawn(BATCH))),
    }


def step(ar, operation, arrays):
    """The value, and gradients by arrays that depend on it."""
    value, pull = jax.vjp(lambda *a: operation(ar, *a), *arrays)
    return value, pull(ar.mul(value, value))


def trained(ar, gradients):
    """Parameters after three steps of each optimiser, whose rates change."""
    result = []
    for rule in (ar.adam(lambda n: ar.div(jnp.float32(0.1), n + 1)), ar.sgd(0.1, 0.9)):
        params = jnp.zeros_like(gradients[0])
        state = rule.init(params)
        for gradient in gradients:
            updates, state = rule.update(gradient, state, params)
            params = ar.add(params, updates)
        result.append(params)
    return result


def digest(tree):
    content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))
    return hashlib.sha256(content).hexdigest()[:16]


def spread(arrays, devices):
    """Divide arrays that begin with the batch among the devices; copy the others to each device."""
    mesh = jax.make_mesh((devices,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    shardings = [
        NamedSharding(mesh, PartitionSpec("batch" if a.shape[:1] == (BATCH,) else None))
        if a.ndim
        else NamedSharding(mesh, PartitionSpec())
        for a in arrays
    ]
    return jax.device_put(list(arrays), shardings)


def main(devices, form):
    cases = operations()
    inputs = {name: spread(arrays, devices) for name, (_, *arrays) in cases.items()}
    gradients = spread([drawn(BATCH, 7, n)[:, :, :1] for n in (1, 2, 3)], devices)

    def everything(ar, names, inputs, gradients):
        results = {name: step(ar, cases[name][0], inputs[name]) for name in names}
        return results | {"optimizers": trained(ar, gradients)}

    arithmetics = {"native": (Native(), CONTROLS), "reproducible": (Reproducible(form), cases)}
    found = {}
    for kind, (ar, names) in arithmetics.items():
        results = jax.jit(functools.partial(everything, ar, tuple(names)))(inputs, gradients)
        found[kind] = {name: digest(tree) for name, tree in results.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(int(sys.argv[1]), sys.argv[2])
