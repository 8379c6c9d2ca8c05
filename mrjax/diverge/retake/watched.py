"""Run a step with some of its values as further outputs."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import jax
import numpy as np

from mrjax.diverge.retake.flat import Constant, Operand, Program

_TAG = re.compile(r"\bop_(\d+)_\b")
_SAID = re.compile(r' = (\w+\[[\d,]*\]).* metadata=\{op_name="([^"]*)"')
_SHORT = {"float": "f", "bfloat": "bf", "complex": "c", "int": "s", "uint": "u"}
"""JAX's name of a kind of numbers -> XLA's."""


class Watched:
    """A compiled step that returns some of its values beside its results."""

    def __init__(self, program: Program, watch: Sequence[int], leaves: Sequence[Any]) -> None:
        """Compile.

        Args:
            program: the step.
            watch: numbers of equations, all of whose results are returned.
            leaves: the step's inputs, as they are placed.
        """
        self._program, self._watch = program, tuple(watch)

        def function(*inputs: Any) -> tuple[list[Any], list[list[Any]]]:
            return evaluated(program, inputs, self._watch)

        self._compiled = jax.jit(function).lower(*leaves).compile()

    def __call__(self, leaves: Sequence[Any]) -> tuple[Any, dict[int, list[np.ndarray]]]:
        """Return the step's results and, by number of the equation, what was watched."""
        results, seen = self._compiled(*leaves)
        found = {
            number: [np.asarray(value) for value in values]
            for number, values in zip(self._watch, seen, strict=True)
        }
        return jax.tree.unflatten(self._program.tree, results), found

    def kept(self) -> list[int]:
        """Return the equations whose results the compiled step has in memory, in order.

        The names in the optimised program tell them. An instruction of its main part writes a
        result to memory; inside a fused instruction a result lives in a register and may not be
        rounded as it would be in memory. An instruction of another type or shape has the result
        transposed, padded or within another one, so to ask for it would add an instruction.
        """
        text = self._compiled.as_text() or ""
        main = text[text.rfind("\nENTRY ") :]
        named = ((kind, _TAG.findall(said)) for kind, said in _SAID.findall(main))
        found = {(int(tags[-1]), kind) for kind, tags in named if tags}
        wanted = {
            n: [_short(t) for t in one.types] for n, one in enumerate(self._program.equations)
        }
        return sorted({number for number, kind in found if wanted[number] == [kind]})


def _short(kind: str) -> str:
    """Return XLA's name of a type, such as ``f32[8,32]`` for ``float32[8,32]``."""
    name, _, lengths = kind.partition("[")
    letters = name.rstrip("0123456789")
    short = "pred" if name == "bool" else _SHORT.get(letters, letters) + name[len(letters) :]
    return f"{short}[{lengths}"


def evaluated(
    program: Program, inputs: Sequence[Any], watch: Collection[int]
) -> tuple[list[Any], list[list[Any]]]:
    """Do the operations of a step one after the other, each under a name that tells its number.

    Args:
        program: the step.
        inputs: its inputs.
        watch: numbers of equations.

    Returns:
        Results of the step, and of each watched equation.
    """
    values: dict[int, Any] = dict(enumerate([*inputs, *program.constants]))

    def read(operand: Operand) -> Any:
        return operand.value if isinstance(operand, Constant) else values[operand]

    for number, one in enumerate(program.equations):
        params = one.primitive.get_bind_params(one.params)
        with jax.named_scope(f"op_{number}_"), one.context.manager:
            found = one.primitive.bind(*map(read, one.operands), **params)
        found = found if one.primitive.multiple_results else [found]
        values |= dict(zip(one.made, found, strict=True))
    seen = [[values[made] for made in program.equations[number].made] for number in watch]
    return [read(operand) for operand in program.outputs], seen
