"""The modules of a network as a tree: which were equal, which parted first, which followed."""

import dataclasses
from collections.abc import Iterator

from mrjax.diverge.alignment import Pair
from mrjax.diverge.report import Traced
from mrjax.diverge.traces import PHASES, Operation

STATES = {
    "first": "parted first",
    "origin": "parted by itself",
    "followed": "followed",
    "alone": "operations of one training only",
    "equal": "equal",
    "unknown": "not compared",
}
"""State of a module -> words."""


@dataclasses.dataclass
class Node:
    """A module.

    Attributes:
        path: in the network; "" of the network itself.
        state: of `STATES`: the most telling one of its own operations and outputs.
        counts: {phase: (operations with unequal results, operations compared)} of its own.
        alone: operations of its own that only one training has.
        apart: largest distance of its own results, relative to their norm; None if not known.
        differs: whether it or a module in it differs.
        children: modules in it, in the order of the trace.
    """

    path: str
    state: str
    counts: dict[str, tuple[int, int]]
    alone: int
    apart: float | None
    differs: bool = False
    children: list["Node"] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition(".")[2] or "network"

    @property
    def words(self) -> str:
        """State in words."""
        return STATES[self.state]


def grow(traced: Traced) -> Node:
    """Return the tree of the modules of a traced step, from the network down."""
    nodes: dict[str, Node] = {}
    for path in _paths(traced):
        nodes[path] = _node(traced, path)
        if path:
            nodes[path.rpartition(".")[0]].children.append(nodes[path])
    for node in reversed(nodes.values()):
        own = node.state not in ("equal", "unknown")
        node.differs = own or any(child.differs for child in node.children)
    return nodes[""]


def _paths(traced: Traced) -> Iterator[str]:
    """Yield each module once, after the one that it is in."""
    found = traced.parting
    known = [*(one for one, _ in [*found.pairs, *found.modules]), *found.alone[0]]
    lines = [*sorted(known, key=lambda one: one.place), *found.alone[1]]
    seen = {""}
    yield ""
    for module in dict.fromkeys(one.module for one in lines):
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            if path not in seen:
                seen.add(path)
                yield path


def _node(traced: Traced, path: str) -> Node:
    found = traced.parting
    pairs = [pair for pair in found.pairs if pair[0].module == path]
    outline = [pair for pair in found.modules if pair[0].module == path]
    alone = sum(one.module == path for own in found.alone for one in own)
    counts = {phase: _count(pairs, phase) for phase in PHASES}
    known = [traced.distances.get(one.number) for one, _ in [*pairs, *outline]]
    far = [one.relative for one in known if one is not None and one.relative is not None]
    return Node(
        path=path,
        state=_state(traced, path, pairs, outline, alone),
        counts={phase: count for phase, count in counts.items() if count[1]},
        alone=alone,
        apart=max(far, default=None),
    )


def _count(pairs: list[Pair], phase: str) -> tuple[int, int]:
    own = [one.made != other.made for one, other in pairs if one.phase == phase]
    return sum(own), len(own)


def _state(traced: Traced, path: str, pairs: list[Pair], outline: list[Pair], alone: int) -> str:
    found = traced.parting
    first: Operation | None = found.operation or found.partner
    if found.kind != "none" and first is not None and first.module == path:
        return "first"
    if any(one.module == path for one, _ in found.origins):
        return "origin"
    if any(one.made != other.made for one, other in [*pairs, *outline]):
        return "followed"
    if alone:
        return "alone"
    return "equal" if pairs or outline else "unknown"
