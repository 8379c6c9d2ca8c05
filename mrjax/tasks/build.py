"""The parts of every task's model: arithmetic, types, learning rate, first state."""

import abc
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import flax.linen as nn
import flax.traverse_util as traverse
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from mrjax.config import RunConfig
from mrjax.nets.initial import SCHEMES, initialise
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible
from mrjax.numerics.trees import named_leaves
from mrjax.tasks.trained import Weights
from mrjax.train.step import State, initial_state

FIRST_HALF_SCALE = 2.0**15
COMPLEX = {"float32": "complex64", "float64": "complex128"}
"""Type of real numbers -> type of complex numbers with such parts."""
Shapes = Mapping[str, tuple[int, ...]]


def arithmetic_of(config: RunConfig, platform: str) -> Arithmetic:
    """Return the arithmetic of a run, with the fast forms of convolution on a CPU.

    Elsewhere native arithmetic uses the library's convolution. Reproducible arithmetic does not,
    because the library might choose a Fourier transform, whose sums are not exact.
    """
    reproducible = config.numerics == "reproducible"
    if platform == "cpu":
        form = "lax" if config.conv_form == "lax" else "products"
    else:
        form = "products" if reproducible else "lax"
    return Reproducible(form) if reproducible else Native(config.dtype, form)


def master_dtype(config: RunConfig) -> str:
    """Return the type of parameters, statistics, losses and updates: float64 under that dtype only.

    Otherwise the type is float32.
    """
    return "float64" if config.dtype == "float64" else "float32"


def leaf_shapes(net: nn.Module, *arguments: Any) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of a module's variables by collection and path, without computing.

    Args:
        net: the module.
        *arguments: arguments of its call; arrays as `jax.ShapeDtypeStruct`.

    Returns:
        Shapes under ``params`` and, if the module has statistics, ``batch_stats``.
    """
    key = jax.random.key(0, impl="threefry2x32")
    arrays = [a for a in arguments if isinstance(a, jax.ShapeDtypeStruct)]
    rest = arguments[len(arrays) :]
    tree = jax.eval_shape(lambda k, *x: net.init(k, *x, *rest), key, *arrays)
    return {
        name: {k: v.shape for k, v in named_leaves(part).items()} for name, part in tree.items()
    }


def first_state(
    config: RunConfig, optimizer: optax.GradientTransformation, weights: Weights, stats: Shapes
) -> State:
    """Return the state before the first step.

    Args:
        config: configuration, of which the data type is used.
        optimizer: makes the optimiser's state.
        weights: parameters, and statistics if the network was trained before.
        stats: shapes of the running statistics, which start at zero.

    Returns:
        The state, in the type of `master_dtype`.
    """
    dtype = master_dtype(config)
    running = weights.batch_stats
    if running is None:
        running = {k: np.zeros(shape) for k, shape in stats.items()}
    tree = {k: jnp.asarray(v, dtype) for k, v in weights.params.items()}
    kept = {k: jnp.asarray(v, dtype) for k, v in running.items()}
    scale = FIRST_HALF_SCALE if config.dtype == "float16" else 1.0
    return initial_state(
        traverse.unflatten_dict(tree, "/"), traverse.unflatten_dict(kept, "/"), optimizer, scale
    )


def learning_rate(ar: Arithmetic, rate: float, steps: int, share: float) -> optax.ScalarOrSchedule:
    """Return the learning rate: constant, or with a linear fall to zero at the end.

    Args:
        ar: the arithmetic.
        rate: the constant.
        steps: number of steps of the whole training.
        share: share of the steps, at the end, over which the rate falls; 0: the rate is constant.

    Returns:
        The rate, or a function from the number of steps taken so far to the rate.
    """
    return cooldown(ar, rate, steps, share) if share else rate


def cooldown(ar: Arithmetic, rate: float, steps: int, share: float) -> optax.Schedule:
    """Return a learning rate that is constant, then falls linearly to zero.

    rate(t) = rate * min((steps - t) / (steps * share), 1).

    Args:
        ar: the arithmetic.
        rate: the constant.
        steps: number of steps of the whole training.
        share: share of the steps, at the end, over which the rate falls; above 0.

    Returns:
        Number of steps taken so far -> learning rate.
    """
    falling = steps * share

    def schedule(count: Any) -> Array:
        taken = jnp.asarray(count)
        dtype = taken.dtype if jnp.issubdtype(taken.dtype, jnp.floating) else jnp.float32
        left = ar.sub(jnp.asarray(steps, dtype), taken.astype(dtype))
        part = jnp.minimum(ar.div(left, jnp.asarray(falling, dtype)), 1)
        return ar.mul(jnp.asarray(rate, dtype), part)

    return schedule


def perturbed(params: Mapping[str, np.ndarray], seed: int, number: int) -> dict[str, np.ndarray]:
    """Change one weight of a kernel by one unit in the last place, away from zero.

    The distance of two trainings that differ in nothing else shows the effect of rounding alone,
    with which other sources of variation can be compared.

    Args:
        params: initial parameters by leaf path, float32.
        seed: seed of the stream ``init``.
        number: number of the change, which with the seed selects the weight; 0: change nothing.

    Returns:
        The parameters; the changed kernel is a copy.

    Source: Summers and Dinneen, "Nondeterminism and instability in neural network optimization",
    ICML 2021.
    """
    if not number:
        return dict(params)
    kernels = sorted(path for path in params if path.rsplit("/", 1)[-1].endswith("kernel"))
    word = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    place = int.from_bytes(word, "little") % sum(params[path].size for path in kernels)
    for path in kernels:
        if place < params[path].size:
            changed = params[path].copy()
            value = changed.flat[place]
            changed.flat[place] = np.nextafter(value, np.float32(np.copysign(np.inf, value)))
            return {**params, path: changed}
        place -= params[path].size
    raise ValueError("no kernel to change")


ConfigOf = TypeVar("ConfigOf", bound=RunConfig)
Net = TypeVar("Net", bound=nn.Module)


@dataclasses.dataclass(frozen=True)
class TaskModel(abc.ABC, Generic[ConfigOf, Net]):
    """A task's network with its optimiser and its first state; subclasses add the loss.

    Attributes:
        config: configuration of the run.
        arithmetic: the arithmetic.
        net: the Linen module.
    """

    config: ConfigOf
    arithmetic: Arithmetic
    net: Net

    @property
    @abc.abstractmethod
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of parameters and, if there are any, running statistics by leaf path."""

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with the learning rate of `learning_rate`."""
        config, ar = self.config, self.arithmetic
        return ar.adam(learning_rate(ar, config.learning_rate, config.steps, config.cooldown))

    def draw(self) -> dict[str, np.ndarray]:
        """Draw float32 parameters by leaf path, by the rule of the task."""
        scheme = getattr(self.config, "init", SCHEMES[0])
        return initialise(self.shapes["params"], self.config.seed_for("init"), scheme)

    def initial_params(self) -> dict[str, np.ndarray]:
        """Return float32 parameters by leaf path, the same on every machine and in any dtype."""
        config = self.config
        return perturbed(self.draw(), config.seed_for("init"), config.perturb_init)

    def initial_state(self, weights: Weights | None = None) -> State:
        """Return the state before the first step, with fresh weights if none are given."""
        weights = weights or Weights(self.initial_params(), None)
        return first_state(self.config, self.optimizer, weights, self.shapes.get("batch_stats", {}))
