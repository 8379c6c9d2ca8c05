"""JAX's engine tests an order-free arithmetic on the device before it is used."""

import jax
import jax.numpy as jnp
import optax
import pytest

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible
from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.train.step import initial_state


@pytest.fixture
def inexact(monkeypatch):
    """A device whose matrix products keep 50 of 53 bits."""
    matmul = jnp.matmul
    rounded = lambda *arrays: jax.lax.reduce_precision(matmul(*arrays), 11, 49)  # noqa: E731
    monkeypatch.setattr(jnp, "matmul", rounded)


def engine(arithmetic) -> JaxEngine:
    def loss(params, batch_stats, batch):
        return params["w"], batch_stats

    optimizer = optax.sgd(0.1)
    state = initial_state({"w": jnp.ones(())}, {}, optimizer)
    return JaxEngine(jax.devices()[:1], arithmetic, state, Learning(loss, optimizer), lambda *_: 0)


@pytest.mark.parametrize(
    "use", [lambda e: e.start(), lambda e: e.begin(RunConfig(), lambda step: {})]
)
def test_a_device_that_is_not_exact_is_refused(inexact, use):
    with pytest.raises(UserError, match="a matrix product of integers in float64 is wrong"):
        use(engine(Reproducible()))
    engine(Native("float32", "products")).start()


def test_an_exact_device_is_used():
    found = engine(Reproducible("products"))
    assert found.start() is found.state
