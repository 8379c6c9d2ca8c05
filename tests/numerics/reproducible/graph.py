"""What may round in a jaxpr: outside the arithmetic's scope nothing, inside it only by its rules.

Every value gets the properties that hold for it by the way it was made; each operation then says
what it needs (rules.py). Outside the scope an operation with floats must be one that cannot round.
"""

import collections

from jax._src import source_info_util
from jax.extend.core import Literal
from numerics.reproducible.rules import (
    BARRED,
    CONSTANT,
    HOLDERS,
    UNSCALED,
    UNSHIFTED,
    allowed,
    broken,
    is_float,
    made,
    of_input,
    of_value,
    sees_subnormals,
)

SCOPE = "order_free"


def uses_of(jaxpr) -> dict:
    """Names of the operations that read each variable."""
    uses = collections.defaultdict(set)
    for eqn in jaxpr.eqns:
        for variable in eqn.invars:
            if not isinstance(variable, Literal):
                uses[variable].add(eqn.primitive.name)
    for variable in jaxpr.outvars:
        if not isinstance(variable, Literal):
            uses[variable].add("return")
    return uses


def held(eqn) -> tuple[int, int]:
    """How many constants and how many carried values a scan has.

    They are found by their shapes, because versions of jax name them differently. All other values
    are slices of an operand or of a result.
    """
    body = eqn.params["jaxpr"].jaxpr

    def whole(outside, inside) -> int:
        return sum(a.aval.shape == b.aval.shape for a, b in zip(outside, inside, strict=True))

    carried = whole(eqn.outvars, body.outvars)
    return whole(eqn.invars, body.invars) - carried, carried


def in_scope(eqn) -> bool:
    """Whether the operation was traced in the scope, whose whole name must agree."""
    return any(
        isinstance(entry, source_info_util.Scope) and entry.name == SCOPE
        for entry in eqn.source_info.name_stack.stack
    )


class Walk:
    """A walk over a jaxpr.

    Attributes:
        found: how often each primitive, source line and broken rule was met.
    """

    def __init__(self):
        self.found = collections.Counter()

    def graph(self, closed, given, inside=False) -> list[frozenset]:
        """Properties of the results of a closed jaxpr, from those of its arguments."""
        jaxpr = closed.jaxpr
        known = dict(zip(jaxpr.constvars, map(of_value, closed.consts), strict=True))
        known |= zip(jaxpr.invars, given, strict=True)
        uses = uses_of(jaxpr)

        def tags(variable) -> frozenset:
            return of_value(variable.val) if isinstance(variable, Literal) else known[variable]

        for eqn in jaxpr.eqns:
            operands, within = [tags(v) for v in eqn.invars], inside or in_scope(eqn)
            known |= zip(eqn.outvars, self.results(eqn, operands, within), strict=True)
            self.judge(eqn, operands, within, uses)
        return [tags(v) for v in jaxpr.outvars]

    def judge(self, eqn, given, within, uses) -> None:
        if not any(map(is_float, [*eqn.invars, *eqn.outvars])) or eqn.primitive.name in HOLDERS:
            return
        outside = None if allowed(eqn) else "is past the arithmetic"
        fault = broken(eqn, given, uses) if within else outside
        if sees_subnormals(eqn, given):
            fault = "reads a sum that may be subnormal"
        if fault:
            place = source_info_util.summarize(eqn.source_info)
            self.found[f"{eqn.primitive.name} {fault}, at {place}"] += 1

    def results(self, eqn, given, within) -> list[frozenset]:
        name, params = eqn.primitive.name, eqn.params
        if name == "optimization_barrier":
            return [tags - {CONSTANT} | {BARRED, UNSCALED, UNSHIFTED} for tags in given]
        if name == "cond":
            branches = [self.graph(branch, given[1:], within) for branch in params["branches"]]
            return [frozenset.intersection(*tags) for tags in zip(*branches, strict=True)]
        if name == "scan":
            return self.loop(params["jaxpr"], given, *held(eqn), within)
        if name == "while":
            first, second = params["cond_nconsts"], params["body_nconsts"]
            state = self.loop(params["body_jaxpr"], given[first:], second, len(eqn.outvars), within)
            self.graph(params["cond_jaxpr"], [*given[:first], *state], within)
            return state
        if name in HOLDERS:
            return self.graph(params.get("jaxpr", params.get("call_jaxpr")), given, within)
        return [made(eqn, given) for _ in eqn.outvars]

    def loop(self, closed, given, fixed, carried, within) -> list[frozenset]:
        """Find the properties that a carry has at the start and after every turn."""
        carry, rest = given[fixed : fixed + carried], given[fixed + carried :]
        while True:
            arguments = [*given[:fixed], *carry, *rest]
            out = Walk().graph(closed, arguments, within)
            kept = [a & b for a, b in zip(carry, out[:carried], strict=True)]
            if kept == carry:
                out = self.graph(closed, arguments, within)
                return [*carry, *out[carried:]]
            carry = kept


def rounding(closed) -> collections.Counter:
    """What may round in a closed jaxpr: primitive, broken rule and source line, with numbers."""
    walk = Walk()
    walk.graph(closed, [of_input(v) for v in closed.jaxpr.invars])
    return walk.found
