"""Count the multiplications and additions of a training step from its graph."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core

from mrjax.train.step import make_step


def of_step(built: Any, learning: Any, state: Any, batch: dict[str, np.ndarray]) -> int:
    """Return the number of floating-point operations of a task's step in native arithmetic.

    Args:
        built: model of the task, with the form of convolutions that a GPU uses.
        learning: the model's `mrjax.tasks.engine.Learning`.
        state: state before the first step, of which only the shapes are used.
        batch: a batch, of which only the shapes are used.

    Returns:
        Twice the number of products in convolutions and matrix products, gradients included, and
        places of a window beyond the edge of an image too. All other operations are left out.
    """
    step = make_step(
        learning.loss,
        learning.optimizer,
        arithmetic=built.arithmetic,
        dynamic_scale=False,
        project=learning.project,
    )
    return of_graph(jax.make_jaxpr(step)(state, batch).jaxpr)


def of_graph(jaxpr: Any) -> int:
    """Return twice the number of real products in a graph's convolutions and matrix products."""
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    count = {"conv_general_dilated": _convolution, "dot_general": _product}
    own = count[equation.primitive.name](equation) if equation.primitive.name in count else 0
    times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
    return own + times * sum(of_graph(inner) for inner in _inner(equation.params.values()))


def _inner(values: Any) -> Iterator[Any]:
    """Yield the graphs inside an equation: loops, calls, hand-written gradients."""
    for value in values:
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _inner(value)


def _convolution(equation: Any) -> int:
    """Each output sums over a window and its input channels; inserted zeros are not counted."""
    kernel = equation.invars[1].aval.shape
    numbers, dilation = equation.params["dimension_numbers"], equation.params["lhs_dilation"]
    places = math.prod(kernel[axis] for axis in numbers.rhs_spec[1:])
    out = equation.outvars[0].aval
    return _weight(out.dtype) * out.size * places // math.prod(dilation)


def _product(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left, out = equation.invars[0].aval, equation.outvars[0].aval
    return _weight(out.dtype) * out.size * math.prod(left.shape[axis] for axis in contracted)


def _weight(dtype: Any) -> int:
    """Return the real operations of a product and an addition; a complex product has four."""
    return 8 if np.issubdtype(dtype, np.complexfloating) else 2
