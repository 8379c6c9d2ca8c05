"""Which form of convolution computes where."""

import pytest

from mrjax.config import RunConfig
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible
from mrjax.tasks.build import arithmetic_of


@pytest.mark.parametrize(
    ("platform", "conv_form", "native", "order_free"),
    [
        ("cpu", "auto", "products", "products"),
        ("cpu", "lax", "lax", "lax"),
        ("gpu", "auto", "lax", "products"),
        # cuDNN might choose a Fourier transform, so order-free arithmetic never calls it.
        ("gpu", "lax", "lax", "products"),
        ("gpu", "products", "lax", "products"),
    ],
)
def test_form_by_platform(platform, conv_form, native, order_free):
    for numerics, form, kind in (
        ("native", native, Native),
        ("reproducible", order_free, Reproducible),
    ):
        found = arithmetic_of(RunConfig(numerics=numerics, conv_form=conv_form), platform)
        assert isinstance(found, kind) and found.conv_form == form
