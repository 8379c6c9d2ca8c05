"""A device whose products are not exact is refused."""

import jax
import jax.numpy as jnp
import pytest

from mrjax.errors import UserError
from mrjax.numerics.reproducible import check, conv, correlate


@pytest.mark.parametrize("form", ["lax", "products"])
def test_this_device_is_exact(form):
    check.check(form)


def rounded(function):
    """The function on a device that keeps 50 of 53 bits."""

    def imprecise(*arguments, **fields):
        return jax.lax.reduce_precision(function(*arguments, **fields), 11, 49)

    return imprecise


@pytest.mark.parametrize(
    "module, name, words",
    [
        (jnp, "matmul", "a matrix product"),
        (conv, "sums", "a convolution"),
        (correlate, "sums", "a kernel's gradient"),
    ],
)
def test_fewer_bits_are_one_line(monkeypatch, module, name, words):
    monkeypatch.setattr(module, name, rounded(getattr(module, name)))
    with pytest.raises(UserError, match=f"{words} of integers in float64 is wrong") as caught:
        check.check("lax")
    assert "\n" not in str(caught.value)
