"""Losses and metrics as a script gives them: any value becomes a number, and what is to be said."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

_EXPECTED = "expected a number or an array of one element"


class _NoNumberError(TypeError):
    """The message says what something is instead of a number."""


def read(name: str, value: Any, note: Callable[[str], None]) -> float:
    """Return a number: NaN for what is none, the mean of several.

    Args:
        name: of the loss or the metric.
        value: whatever a script gives.
        note: called with one line where the value is no single number.
    """
    try:
        numbers = _elements(value)
    except _NoNumberError as error:
        note(f"{name} is {error}; {_EXPECTED}; NaN is recorded; give the number itself")
        return math.nan
    if numbers.size > 1:
        told = f"{name} has {numbers.size} elements; {_EXPECTED}; their mean is recorded"
        note(f"{told}; give it yourself")
    return float(numbers.mean())


def kept(value: Any) -> Any:
    """Return what stays as it is: a copy of an array, which the script may donate or change."""
    if isinstance(value, jax.Array) and not isinstance(value, Tracer) and not value.is_deleted():
        copy = jnp.copy(value)
        copy.copy_to_host_async()
        return copy
    return np.array(value) if isinstance(value, np.ndarray) else value


def finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return numbers; None of those that are not finite."""
    return {n: v if v is not None and math.isfinite(v) else None for n, v in values.items()}


def _elements(value: Any) -> np.ndarray:
    """Return a number or the elements of an array in float64.

    Raises:
        _NoNumberError: it is neither.
    """
    if isinstance(value, Tracer):
        raise _NoNumberError("without a value, inside of a compiled function")
    if isinstance(value, jax.Array) and value.is_deleted():
        raise _NoNumberError("an array that was donated")
    kind = type(value).__qualname__
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever a script's own class raises
        raise _NoNumberError(kind) from error
    real = array.dtype == bool or jnp.issubdtype(array.dtype, jnp.number)
    if not real or np.iscomplexobj(array) or not array.size or isinstance(value, list | tuple):
        raise _NoNumberError(f"{kind} of {array.dtype}" if hasattr(value, "dtype") else kind)
    return array.astype(np.float64)
