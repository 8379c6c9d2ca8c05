"""Take one step of a training again in this process, and record what can be seen of it."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mrjax.diverge.retake.comparison import EXACT
from mrjax.diverge.retake.flat import Constant, Equation, Operand, Program
from mrjax.diverge.retake.record import Node, digest
from mrjax.diverge.retake.replay import of, same
from mrjax.diverge.retake.watched import Watched
from mrjax.numerics.trees import named_leaves

LARGEST = 4 << 30
"""Bytes of results that are kept at a time."""
TRIES = 8
"""Groups of results that are looked at, where not all can be seen at once."""
ALONE = frozenset("conv_general_dilated cumsum dot_general fft reduce_sum sort".split())
"""Operations that XLA does not compute within a loop over elements, and that add in some order."""
_METHOD = "."
"""Flax names the scope of a method ``Class.method``; a module's name has no such point."""

Seen = dict[int, list[np.ndarray]]


class Taken(NamedTuple):
    """What was seen of a step.

    Attributes:
        how: as in `mrjax.diverge.retake.record.Record`.
        evidence: as in a ledger.
        seen: number of the equation -> its results.
        blind: equations that could not be seen.
    """

    how: str
    evidence: dict[str, str]
    seen: Seen
    blind: list[int]


def take(program: Program, leaves: Sequence[Any], wanted: Mapping[str, Any]) -> Taken:
    """Take the step with as many of its results seen as leave its bits unchanged.

    First all results are made outputs of the compiled step. Where this changes what XLA fuses, and
    so the bits, only those results are that the unchanged step has in memory anyway, and the new
    state.

    Args:
        program: the step.
        leaves: its inputs.
        wanted: the line of the ledger, which the step must reproduce.
    """
    useful = needed(program)
    found = everything(program, useful, leaves, wanted)
    if found:
        return found
    plain = Watched(program, [], leaves)
    evidence = of(plain(leaves)[0][1])
    if not same(evidence, wanted):
        return Taken("", evidence, {}, useful)
    kept = set(plain.kept()).intersection(useful)
    # Two searches, since each drops what its few attempts do not reach.
    seen = look(program, leaves, wanted, sorted(kept), 2 * TRIES)
    seen |= look(program, leaves, wanted, sorted(_last(program) - kept))
    return Taken("kept", evidence, seen, [n for n in useful if n not in seen])


def everything(
    program: Program, useful: Sequence[int], leaves: Sequence[Any], wanted: Mapping[str, Any]
) -> Taken | None:
    """Take the step with all results as outputs; None where this is too much or changes bits."""
    if sum(program.equations[n].bytes for n in useful) > LARGEST:
        return None
    evidence, seen = _run(program, useful, leaves)
    return Taken("all", evidence, seen, []) if same(evidence, wanted) else None


def look(
    program: Program,
    leaves: Sequence[Any],
    wanted: Mapping[str, Any],
    numbers: Sequence[int],
    tries: int = TRIES,
) -> Seen:
    """Return the results of some equations, of those that can be seen without a change of bits.

    Where a group of results changes bits, its halves are looked at, up to so many groups in all as
    there are tries, since each is compiled.
    """
    waiting = deque(_groups(program, numbers))
    seen: Seen = {}
    for _ in range(tries):
        if not waiting:
            break
        group = waiting.popleft()
        evidence, found = _run(program, group, leaves)
        if same(evidence, wanted):
            seen |= found
        elif len(group) > 1:
            half = len(group) // 2
            waiting += [group[:half], group[half:]]
    return seen


def closer(
    program: Program, leaves: Sequence[Any], wanted: Mapping[str, Any], numbers: Sequence[int]
) -> Seen:
    """Look at some equations, first at those of `ALONE`.

    These are the likeliest to differ, and are seen more often, since XLA puts no other operation
    into one loop with them; one result of the others would hide them.
    """
    alone = [n for n in numbers if program.equations[n].primitive.name in ALONE]
    seen = look(program, leaves, wanted, alone)
    return seen | look(program, leaves, wanted, [n for n in numbers if n not in alone])


def _last(program: Program) -> set[int]:
    """Return the equations that make the new state."""
    state = jax.tree.unflatten(program.tree, program.outputs)[0]
    made = {operand for operand in jax.tree.leaves(state) if isinstance(operand, int)}
    return {n for n, one in enumerate(program.equations) if made.intersection(one.made)}


def _groups(program: Program, numbers: Iterable[int]) -> Iterator[list[int]]:
    """Divide equations so that the results of a group are not too large."""
    group: list[int] = []
    size = 0
    for number in numbers:
        more = program.equations[number].bytes
        if group and size + more > LARGEST:
            yield group
            group, size = [], 0
        group.append(number)
        size += more
    if group:
        yield group


def _run(program: Program, watch: Sequence[int], leaves: Sequence[Any]) -> tuple[dict, Seen]:
    results, seen = Watched(program, watch, leaves)(leaves)
    return of(results[1]), seen


def needed(program: Program) -> list[int]:
    """Return the equations on which the new state or the loss depends, not those of evidence."""
    state, evidence = jax.tree.unflatten(program.tree, program.outputs)
    wanted = {o for o in (*jax.tree.leaves(state), evidence.loss) if isinstance(o, int)}
    found = []
    for number in reversed(range(len(program.equations))):
        one = program.equations[number]
        if wanted.intersection(one.made):
            found.append(number)
            wanted.update(_values(one.operands))
    return found[::-1]


def nodes(program: Program, numbers: Sequence[int]) -> list[Node]:
    """Describe equations without JAX; a node's inputs are places in this list."""
    makers: dict[int, int | str] = dict(program.names())
    for place, number in enumerate(numbers):
        makers |= dict.fromkeys(program.equations[number].made, place)
    targets = _targets(program, numbers)
    return [_node(program.equations[n], makers, targets.get(n, "")) for n in numbers]


def _node(one: Equation, makers: Mapping[int, int | str], target: str) -> Node:
    phase, module = placed(one.scope)
    return Node(
        phase=phase,
        module=target if phase == "update" else module,
        op=one.primitive.name,
        line=one.line,
        types=one.types,
        inputs=(*(_input(operand, makers) for operand in one.operands), *_arguments(one)),
    )


def _arguments(one: Equation) -> list[str]:
    """Return the parameters of an operation that moves numbers, or raises them to a power."""
    if one.primitive.name not in EXACT | {"integer_pow"}:
        return []
    plain = {k: v for k, v in one.params.items() if isinstance(v, int | tuple)}
    return [f"= {name} {value}" for name, value in sorted(plain.items())]


def _input(operand: Operand, makers: Mapping[int, int | str]) -> int | str:
    if not isinstance(operand, Constant):
        return makers[operand]
    value = np.asarray(operand.value)
    return f"= {value}" if value.size == 1 else f"= {digest(value)}"


def placed(scope: str) -> tuple[str, str]:
    """Return the phase and the module of a scope such as ``transpose(jvp(UNet))/out``."""
    first, *rest = scope.split("/")
    if "transpose(" in first:
        phase = "backward"
    else:
        phase = "forward" if "jvp(" in first else "update"
    return phase, "/".join(part for part in rest if part and _METHOD not in part)


def _targets(program: Program, numbers: Sequence[int]) -> dict[int, str]:
    """Return the parameter that an equation of the update serves, where it serves only one."""
    state = jax.tree.unflatten(program.tree, program.outputs)[0]
    serves: dict[int, set[str]] = {}
    params = [name.removeprefix("params/") for name in named_leaves(state) if "params/" in name]
    for name, operand in named_leaves(state).items():
        leaf = next((p for p in params if name.endswith(f"/{p}")), "")
        if isinstance(operand, int) and leaf:
            serves.setdefault(operand, set()).add(leaf)
    found = {}
    for number in reversed(numbers):
        one = program.equations[number]
        mine = set(itertools.chain(*(serves.get(made, ()) for made in one.made)))
        for operand in _values(one.operands):
            serves.setdefault(operand, set()).update(mine)
        if len(mine) == 1:
            found[number] = next(iter(mine))
    return found


def _values(operands: Iterable[Operand]) -> Iterator[int]:
    return (operand for operand in operands if isinstance(operand, int))
