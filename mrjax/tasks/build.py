"""What every task's model is built with: arithmetic, types, learning rate, first state."""

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
Shapes = Mapping[str, tuple[int, ...]]


def arithmetic_of(config: RunConfig, platform: str) -> Arithmetic:
    """Return what computes: on a CPU the fast forms of convolution, elsewhere the library's.

    Reproducible arithmetic leaves convolutions to no library that might choose a Fourier transform
    for them: its sums would not be exact.
    """
    reproducible = config.numerics == "reproducible"
    if platform == "cpu":
        form = "lax" if config.conv_form == "lax" else "products"
    else:
        form = "products" if reproducible else "lax"
    return Reproducible(form) if reproducible else Native(config.dtype, form)


def master_dtype(config: RunConfig) -> str:
    """Type of parameters, statistics, losses and updates: float32, or float64 if asked for."""
    return "float64" if config.dtype == "float64" else "float32"


def leaf_shapes(net: nn.Module, *arguments: Any) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of a module's variables by collection and path, without computing anything.

    Args:
        net: the module.
        *arguments: of its call; arrays as `jax.ShapeDtypeStruct`.

    Returns:
        ``params`` and, where it has them, ``batch_stats``.
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
        config: gives the data type.
        optimizer: gives the optimizer's state.
        weights: parameters, and statistics if they were trained before.
        stats: shapes of the running statistics, which begin at zero.

    Returns:
        The state, in the master type.
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
        ar: what computes.
        rate: the constant.
        steps: steps of the whole training.
        share: part of them, at the end, over which it falls; 0 for none.

    Returns:
        The rate, or a function from the number of steps taken so far to the rate.
    """
    return cooldown(ar, rate, steps, share) if share else rate


def cooldown(ar: Arithmetic, rate: float, steps: int, share: float) -> optax.Schedule:
    """Return a learning rate that is constant, then falls linearly to zero.

    Args:
        ar: what computes.
        rate: the constant.
        steps: steps of the whole training.
        share: part of them, at the end, over which it falls, above 0.

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

    How far two trainings part that differ in nothing else says how far rounding alone carries
    them; any other source of variation is to be judged beside it.

    Args:
        params: initial parameters by leaf path, float32.
        seed: of the stream ``init``.
        number: of the change, which with the seed chooses the weight; 0: nothing is changed.

    Returns:
        Copies where something changed.

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
    """A task's network and what trains it.

    Attributes:
        config: the run's configuration.
        arithmetic: what computes.
        net: the Linen module.
    """

    config: ConfigOf
    arithmetic: Arithmetic
    net: Net

    @property
    @abc.abstractmethod
    def shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of parameters and, where there are some, running statistics by leaf path."""

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with the learning rate of `cooldown`."""
        config, ar = self.config, self.arithmetic
        return ar.adam(learning_rate(ar, config.learning_rate, config.steps, config.cooldown))

    def draw(self) -> dict[str, np.ndarray]:
        """Draw float32 parameters by leaf path, by the rule of the task."""
        scheme = getattr(self.config, "init", SCHEMES[0])
        return initialise(self.shapes["params"], self.config.seed_for("init"), scheme)

    def initial_params(self) -> dict[str, np.ndarray]:
        """Return float32 parameters by leaf path; the same on any machine, in any data type."""
        config = self.config
        return perturbed(self.draw(), config.seed_for("init"), config.perturb_init)

    def initial_state(self, weights: Weights | None = None) -> State:
        """Return the state before the first step, with fresh weights if none are given."""
        weights = weights or Weights(self.initial_params(), None)
        return first_state(self.config, self.optimizer, weights, self.shapes.get("batch_stats", {}))
