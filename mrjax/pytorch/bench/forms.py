"""Times of every form of a convolution, shape by shape."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from mrjax.numerics.native import correlate, fold, planar, products
from mrjax.pytorch.bench.steps import measure

Shape = tuple[int, int, int]

PLANAR = (
    # batch, edge, inputs, outputs, window; stages of a VarNet, then levels of a breast U-Net
    (1, 180, 2, 24, 11),
    (1, 180, 24, 2, 11),
    (2, 116, 2, 12, 11),
    (2, 116, 12, 2, 11),
    (8, 64, 3, 8, 3),
    (8, 64, 16, 8, 3),
    (8, 32, 16, 16, 3),
    (8, 32, 32, 16, 3),
    (8, 16, 64, 32, 3),
)


def layer_shapes(config: Any) -> list[Shape]:
    """Return (edge, inputs, outputs) of the different convolutions of a QSMnet except the last."""
    shapes = [(config.patch, 1, config.width)]
    for level in range(config.levels + 1):
        edge, width = config.patch >> level, config.width << level
        shapes += [(edge, width // 2, width)] if level else []
        shapes += [(edge, width, width)]
        shapes += [(edge, 2 * width, width)] if level < config.levels else []
    return shapes


def volume_forms(config: Any, rounds: int) -> Iterator[dict]:
    """Time every 3-D form of the product and of the gradient of the kernel, in turns.

    Args:
        config: of the QSMnet whose convolutions are timed.
        rounds: timed calls of each form.

    Yields:
        For each convolution a record of the minima [ms] and of the forms that mrjax chooses.
    """
    window = (config.window,) * 3
    for edge, inputs, outputs in layer_shapes(config):
        x, g, kernel = _example((config.batch_size, *(edge,) * 3), inputs, outputs, window)
        product = {k: _timed(f, x, kernel) for k, f in fold.FORMS.items() if k != "point"}
        gradient = {
            k: _timed(lambda a, b, f=f: f(a, b, window), x, g)
            for k, f in correlate.FORMS.items()
            if k != "point"
        }
        yield {
            "convolution": f"{edge}^3, {inputs} to {outputs}",
            "product_ms": _milliseconds(product, rounds),
            "kernel_gradient_ms": _milliseconds(gradient, rounds),
            "chosen": products.choose((edge,) * 3, inputs, outputs, window)._asdict(),
        }


def planar_forms(rounds: int) -> Iterator[dict]:
    """Time every 2-D form of the gradient of the kernel, in turns.

    In each form, image and output gradient can be exchanged.

    Args:
        rounds: timed calls of each form.

    Yields:
        For each shape of `PLANAR` a record of the minima [ms] and of the form that mrjax chooses.
    """
    for batch, edge, inputs, outputs, width in PLANAR:
        window = (width, width)
        x, g, _ = _example((batch, edge, edge), inputs, outputs, window)
        choices = [planar.Choice(k, e) for k in ("library", "rows") for e in (False, True)]
        gradient = functools.partial(planar.kernel_gradient, window=window)
        steps = {_name(c): _timed(functools.partial(gradient, choice=c), x, g) for c in choices}
        yield {
            "convolution": f"{batch} x {edge}^2, {inputs} to {outputs}, window {width}",
            "kernel_gradient_ms": _milliseconds(steps, rounds),
            "chosen": _name(planar.choose(inputs, outputs, window)),
        }


def _name(choice: planar.Choice) -> str:
    return f"{choice.form}, exchanged" if choice.exchange else choice.form


def _example(
    images: tuple[int, ...], inputs: int, outputs: int, window: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = ((*images, inputs), (*images, outputs), (*window, inputs, outputs))
    x, g, kernel = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, g, kernel


def _timed(function: Callable, *arguments: object) -> Callable[[], None]:
    compiled = jax.jit(function).lower(*arguments).compile()
    return lambda: jax.block_until_ready(compiled(*arguments))


def _milliseconds(steps: Mapping[str, Callable], rounds: int) -> dict[str, float]:
    return {name: round(1e3 * min(times), 2) for name, times in measure(steps, rounds).items()}
