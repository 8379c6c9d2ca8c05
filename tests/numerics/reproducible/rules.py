"""The rules of operations in a jaxpr, by the properties that hold of their operands (graph.py)."""

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

SINGLES = (jnp.float32, jnp.complex64)

WHOLE, SINGLE, POWER, BARRED, APART = "whole", "single", "power", "barred", "apart"
FLUSHED, CONSTANT, UNSCALED, UNSHIFTED = "flushed", "constant", "unscaled", "unshifted"
"""Properties. Integers times one unit; of 24 bits at most; a power of two; straight from an
optimisation barrier; no inexact product that a compiler may fuse with an addition; no sum of
JAX's, which is subnormal on one device and zero on another; known when compiled; no product with,
and no sum with, a constant, which a compiler may join with the next one."""
FREE = frozenset([APART, FLUSHED, UNSCALED, UNSHIFTED])
"""Properties of a value that was loaded or rounded."""
ALL = FREE | {WHOLE, SINGLE, POWER, BARRED, CONSTANT}
KEPT = ALL - {BARRED}

MOVES = set(
    "broadcast_in_dim concatenate pad reshape rev select_n slice split squeeze stack transpose "
    "unstack".split()
)
"""Operations that only move numbers."""

TAKES = {"dynamic_slice", "gather"}
"""Operations that take a part; only the arithmetic does so, and no gradient of it scatters."""

DECIDES = set(
    "argmax bitcast_convert_type complex conj eq ge gt imag is_finite le lt max min ne neg "
    "real reduce_max".split()
)
"""Comparisons, signs, parts of complex numbers, which are exact in any order."""

HOLDERS = {"custom_jvp_call", "custom_vjp_call", "jit", "scan", "while", "cond"}
"""Operations with jaxprs of their own, which are walked."""

ONE_SUM = {"add_any"}
"""The sum of two cotangents, both rounded to float32 before, is one IEEE addition that nothing can
fuse. Its result may be subnormal, so nothing may be added to it again."""

PASSES = (
    MOVES
    | TAKES
    | set(
        "abs complex conj convert_element_type imag max min neg real reduce_max "
        "reduce_precision".split()
    )
)
"""Operations that keep a subnormal number."""

READS = ONE_SUM | set("add sub eq ge gt le lt ne".split())
"""Operations whose result for a subnormal operand differs from that for zero."""

STEPS = set(
    "add sub mul div sqrt clamp round reduce_precision optimization_barrier reduce_sum dot_general "
    "conv_general_dilated".split()
)
"""Operations of which the arithmetic is made, under the rules of `broken`."""


def dtype_of(variable) -> np.dtype | None:
    return getattr(variable.aval, "dtype", None)


def is_float(variable) -> bool:
    dtype = dtype_of(variable)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def keeps(eqn) -> bool:
    """Whether a conversion keeps every float; an integer that becomes one is rounded once."""
    old, new = dtype_of(eqn.invars[0]), dtype_of(eqn.outvars[0])
    return not (jnp.issubdtype(old, jnp.inexact) and not np.can_cast(old, new))


def allowed(eqn) -> bool:
    """Whether an operation cannot round, so that it may stand outside the scope."""
    if eqn.primitive.name == "convert_element_type":
        return keeps(eqn)
    if eqn.primitive.name == "abs":  # the magnitude of a complex number is a root
        return not jnp.issubdtype(dtype_of(eqn.invars[0]), jnp.complexfloating)
    return eqn.primitive.name in MOVES | DECIDES | HOLDERS | ONE_SUM


def of_value(value) -> frozenset:
    """Properties of a constant; NaN has all of them."""
    x = np.asarray(value)
    if not np.issubdtype(x.dtype, np.inexact):
        return FREE | {WHOLE, CONSTANT}
    x = x[np.isfinite(x)]
    holds = {
        WHOLE: np.all(x == np.rint(x)),
        SINGLE: x.dtype.kind == "f" and np.all(x == x.astype(np.float32)),
        POWER: x.dtype.kind == "f" and np.all(np.abs(np.frexp(x)[0]) == 0.5),
    }
    return FREE | {CONSTANT, *(name for name, true in holds.items() if true)}


def of_input(variable) -> frozenset:
    return FREE | ({SINGLE} if dtype_of(variable) in SINGLES else set())


def short(variable) -> bool:
    """Whether a constant has so few bits (42) that its product with a small integer is exact."""
    if not isinstance(variable, Literal):
        return False
    return float(np.frexp(np.float64(variable.val))[0] * 2.0**42).is_integer()


def one_term(eqn) -> bool:
    """Whether it is a product or a sum with one term for each result."""
    axes = eqn.params.get("axes")
    if eqn.primitive.name == "dot_general":
        axes = eqn.params["dimension_numbers"][0][0]
    return axes is not None and all(eqn.invars[0].aval.shape[a] == 1 for a in axes)


def exact_product(eqn, given) -> bool:
    """Whether a factor is a power of two, or both are float32 numbers, or both are integers."""
    if any(POWER in tags for tags in given):
        return True
    if all(WHOLE in tags for tags in given):
        return True
    if all(SINGLE in tags for tags in given):
        return dtype_of(eqn.outvars[0]) == jnp.float64
    (x, y), (a, b) = eqn.invars, given
    return (WHOLE in a and short(y)) or (WHOLE in b and short(x))


def multiplied(eqn, given) -> frozenset:
    both = given[0] & given[1] & {WHOLE, POWER}
    for tags, factor, other in zip(given, eqn.invars[::-1], given[::-1], strict=True):
        if WHOLE in tags and POWER in other and isinstance(factor, Literal):
            both |= {WHOLE}
    return both | ({APART} if exact_product(eqn, given) else frozenset())


def joins(given) -> bool:
    """Whether one of two operands is a constant that does not keep the other's bits."""
    first, second = given
    return any(CONSTANT in tags and POWER not in tags for tags in given) and not (
        WHOLE in first and WHOLE in second
    )


def exponent(eqn) -> bool:
    """Whether integers are shifted to where a float has its exponent."""
    by = eqn.invars[1]
    return isinstance(by, Literal) and int(by.val) in (23, 52)


def made(eqn, given) -> frozenset:
    """Properties of the result of an operation without jaxprs, from those of its operands."""
    name = eqn.primitive.name
    numbers = [tags for v, tags in zip(eqn.invars, given, strict=True) if is_float(v)]
    common = frozenset.intersection(KEPT, *(numbers or given))
    if name == "mul":
        result = multiplied(eqn, given) | {UNSHIFTED}
        result |= set() if joins(given) else {UNSCALED}
    elif name in MOVES | TAKES | {"neg", "abs", "real", "imag", "complex"}:
        result = common
    elif name == "convert_element_type":
        result = common | (set() if is_float(eqn.invars[0]) else {WHOLE})
    elif name == "bitcast_convert_type":
        result = common - {WHOLE, SINGLE}
    elif name in ("min", "max"):
        result = common - {SINGLE, POWER}
    elif name in ("add", "sub"):
        result = (common & {WHOLE}) | {APART, UNSCALED}
        result |= set() if joins(given) else {UNSHIFTED}
    elif name in ("add_any", "reduce_sum", "conv_general_dilated"):
        result = (common & {WHOLE}) | (FREE - {FLUSHED})
    elif name == "dot_general":
        result = (common & ({WHOLE, POWER} if one_term(eqn) else {WHOLE})) | (FREE - {FLUSHED})
    else:
        bits = eqn.params.get("mantissa_bits", 52)
        power = name == "shift_left" and exponent(eqn)
        new = {WHOLE} if name == "round" else {POWER} if power else set()
        result = (FREE - {FLUSHED}) | new | ({SINGLE} if bits <= 23 else set())
    result |= of_input(eqn.outvars[0]) & {FLUSHED, SINGLE}
    left = FLUSHED not in common and name in PASSES
    summed = name in {*ONE_SUM, "add", "sub"} and dtype_of(eqn.outvars[0]) in SINGLES
    return result - {FLUSHED} if left or summed else result


def broken(eqn, given, uses) -> str | None:
    """The rule inside the scope that an operation breaks, if any."""
    name = eqn.primitive.name
    if name == "convert_element_type":
        return None if keeps(eqn) or SINGLE in given[0] or WHOLE in given[0] else "rounds by a cast"
    if name in ("mul", "div", "sqrt") and dtype_of(eqn.outvars[0]) != jnp.float64:
        return "is not in float64"
    if name == "mul" and joins(given) and not all(UNSCALED in tags for tags in given):
        return "multiplies by a constant what was multiplied by one"
    if name in ("add", "sub") and joins(given) and not all(UNSHIFTED in tags for tags in given):
        return "adds a constant to what a constant was added to"
    if name in ("add", "sub", "add_any") and not all(APART in tags for tags in given):
        return "adds a product that is neither exact nor sealed"
    if name == "div" and not given[1] & {BARRED, POWER}:
        return "divides by what is not behind a barrier"
    if name == "sqrt" and uses[eqn.outvars[0]] != {"optimization_barrier"}:
        return "is not kept by a barrier"
    if name in ("reduce_sum", "dot_general", "conv_general_dilated"):
        wide = dtype_of(eqn.outvars[0]) == jnp.float64
        whole = wide and all(WHOLE in tags for tags in given)
        return None if whole or one_term(eqn) else "adds floats"
    return None if allowed(eqn) or name in STEPS | TAKES else "is none of the arithmetic's"


def sees_subnormals(eqn, given) -> bool:
    """Whether the result depends on whether a sum of JAX's was flushed."""
    name = eqn.primitive.name
    if name not in READS or all(FLUSHED in tags for tags in given):
        return False
    return not (name in ("eq", "ne") and eqn.invars[0] is eqn.invars[1])  # this tests for NaN
