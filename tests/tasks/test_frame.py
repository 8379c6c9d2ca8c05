"""Outputs for which no run writes a result."""

import numpy as np
import pytest

from mrjax.errors import RunFailed
from mrjax.tasks import frame


@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.inf)])
def test_an_output_that_is_no_number_has_no_digest(value):
    fine = np.zeros((3, 2), np.float32)
    broken = np.array([0, value, value, 1])
    frame.check_finite({"brain0": fine})
    with pytest.raises(RunFailed, match="output for brain1 is not finite in 2 of 4 values"):
        frame.check_finite({"brain0": fine, "brain1": broken})
