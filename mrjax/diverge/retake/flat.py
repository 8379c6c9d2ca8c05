"""A training step as one list of operations, in the order in which JAX recorded them."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import mrjax
from mrjax.numerics.trees import named_leaves

_PACKAGE = Path(mrjax.__file__).resolve().parent
_WRAPPERS = ("numerics", "diverge")
_TRANSPARENT = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Primitive that only calls other operations -> parameter that holds these."""


@dataclasses.dataclass(frozen=True)
class Constant:
    """A number that stands in the program itself."""

    value: Any
    type: str


Operand = int | Constant
"""Number of a value of the step, or a constant."""


@dataclasses.dataclass(frozen=True)
class Equation:
    """One operation of a step.

    Attributes:
        primitive: JAX's primitive.
        params: its parameters.
        context: JAX's settings under which it was recorded.
        operands: the values that go in.
        made: numbers of the values that come out.
        types: their types, such as ``float32[8,32]``.
        bytes: memory that they take.
        scope: JAX's stack of names, such as ``transpose(jvp(UNet))/out``.
        line: place in mrjax's sources.
    """

    primitive: Any
    params: dict[str, Any]
    context: Any
    operands: tuple[Operand, ...]
    made: tuple[int, ...]
    types: tuple[str, ...]
    bytes: int
    scope: str
    line: str


@dataclasses.dataclass(frozen=True)
class Program:
    """A step, flattened.

    Attributes:
        inputs: names of the values 0, 1, ... that go in.
        constants: arrays that the step closes over; their numbers follow those of the inputs.
        equations: in order.
        outputs: the values that come out.
        tree: structure of the outputs.
    """

    inputs: tuple[str, ...]
    constants: tuple[Any, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Operand, ...]
    tree: Any

    def names(self) -> dict[int, str]:
        """Return the names of the values that no operation makes."""
        constants = (f"constant {i}" for i in range(len(self.constants)))
        return dict(enumerate([*self.inputs, *constants]))


def flatten(step: Callable[[Any, Any], Any], state: Any, batch: Any) -> Program:
    """Record a step and resolve the calls in it.

    Args:
        step: (state, batch) -> anything.
        state: with arrays of the right shapes.
        batch: likewise.
    """
    closed, shape = jax.make_jaxpr(step, return_shape=True)(state, batch)
    leaves = [*named_leaves(state), *(f"batch/{name}" for name in named_leaves(batch))]
    recorder = _Recorder(len(leaves) + len(closed.consts))
    first = range(len(leaves))
    constants = range(len(leaves), len(leaves) + len(closed.consts))
    outputs = recorder.call(closed.jaxpr, constants, first)
    return Program(
        tuple(leaves),
        tuple(closed.consts),
        tuple(recorder.equations),
        outputs,
        jax.tree.structure(shape),
    )


class _Recorder:
    """Numbers the values of a program and of the programs that it calls."""

    def __init__(self, known: int) -> None:
        self.equations: list[Equation] = []
        self._next = known

    def call(
        self,
        jaxpr: Any,
        constants: Sequence[Operand],
        arguments: Sequence[Operand],
        scope: str = "",
        line: str = "",
    ) -> tuple[Operand, ...]:
        values: dict[Any, Operand] = dict(zip(jaxpr.constvars, constants, strict=True))
        values |= dict(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Operand:
            return Constant(atom.val, _type(atom)) if hasattr(atom, "val") else values[atom]

        for eqn in jaxpr.eqns:
            inner = _joined(scope, str(eqn.source_info.name_stack))
            place = _line(eqn.source_info) or line
            found = self._one(eqn, tuple(map(read, eqn.invars)), inner, place)
            values |= dict(zip(eqn.outvars, found, strict=True))
        return tuple(map(read, jaxpr.outvars))

    def _one(
        self, eqn: Any, operands: tuple[Operand, ...], scope: str, line: str
    ) -> Sequence[Operand]:
        called = eqn.params.get(_TRANSPARENT.get(eqn.primitive.name, ""))
        if called is not None:
            constants = [Constant(value, "") for value in called.consts]
            return self.call(called.jaxpr, constants, operands, scope, line)
        made = tuple(range(self._next, self._next + len(eqn.outvars)))
        self._next += len(made)
        self.equations.append(
            Equation(
                primitive=eqn.primitive,
                params=eqn.params,
                context=eqn.ctx,
                operands=operands,
                made=made,
                types=tuple(map(_type, eqn.outvars)),
                bytes=sum(map(_size, eqn.outvars)),
                scope=scope,
                line=line,
            )
        )
        return made


def _type(atom: Any) -> str:
    lengths = ",".join(map(str, getattr(atom.aval, "shape", ())))
    return f"{getattr(atom.aval, 'dtype', atom.aval)}[{lengths}]"


def _size(atom: Any) -> int:
    """Bytes of a value; 0 for one that is no array of numbers."""
    return int(np.prod(atom.aval.shape)) * np.dtype(atom.aval.dtype).itemsize


def _joined(outer: str, inner: str) -> str:
    return "/".join(part for part in (outer, inner) if part)


def _line(source: Any) -> str:
    """Return where mrjax's sources ask for an operation: the innermost line, and whose it is."""
    places = list(_places(source))
    if not places:
        return ""
    outer = next((p for p in places if not p.startswith(tuple(f"{w}/" for w in _WRAPPERS))), "")
    inner = places[0]
    return f"mrjax/{inner}" if outer in ("", inner) else f"mrjax/{inner}, for mrjax/{outer}"


def _places(source: Any) -> Iterator[str]:
    for frame in source.traceback.frames if source.traceback else ():
        path = Path(frame.file_name)
        if path.is_relative_to(_PACKAGE):
            yield f"{path.relative_to(_PACKAGE).as_posix()}:{frame.line_num}"
