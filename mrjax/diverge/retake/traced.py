"""A step that was taken again, in the form in which the page of ``diverge`` shows a traced step."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mrjax.diverge import distances
from mrjax.diverge.alignment import Pair
from mrjax.diverge.distances import Distance
from mrjax.diverge.parting import Parting
from mrjax.diverge.report import Traced
from mrjax.diverge.retake import comparison, layers
from mrjax.diverge.retake.comparison import Found
from mrjax.diverge.retake.layers import Layer
from mrjax.diverge.retake.record import VALUES, Node, Record
from mrjax.diverge.traces import NO_DIGEST, Operation

Places = tuple[int, int]
Alone = tuple[tuple[Operation, ...], tuple[Operation, ...]]
_INPUTS = {True: ("equal", "equal"), False: ("unequal in A", "unequal in B")}


def operations(records: Sequence[Record], found: Found, folders: Sequence[Path]) -> Traced:
    """Return a step of which operations were compared.

    Args:
        records: of A and B.
        found: where they part.
        folders: of the records.
    """
    same = dict(comparison.given(records[0], records[1], found))
    pairs: dict[Places, Pair] = {}
    for places in found.pairs:
        given = _INPUTS[same.get(places, True)]
        if found.kind == "argument" and places == found.pair:
            given = comparison.constants(records[0], records[1], found)
        one, other = (
            _operation(place, record.nodes[place], text, record.seen[place])
            for record, place, text in zip(records, places, given, strict=True)
        )
        pairs[places] = one, other
    alone = [
        tuple(_operation(place, record.nodes[place]) for place in places)
        for record, places in zip(records, found.alone, strict=True)
    ]
    origins = [places for places, equal in same.items() if equal]
    parting = _parting(found.kind, pairs, found.pair, origins, (alone[0], alone[1]))
    return _traced(records[0].step, parting, _distances(pairs, found.differing, folders))


def compared(records: Sequence[Record], found: Sequence[Layer], folders: Sequence[Path]) -> Traced:
    """Return a step of which layers were compared; whether their inputs are equal is not known.

    Args:
        records: in the order of `mrjax.diverge.retake.layers.compare`.
        found: the layers.
        folders: of the records.
    """
    pairs: dict[Places, Pair] = {}
    for places in (one.places for one in found if one.places):
        node = records[1].nodes[places[1]]
        one, other = (
            _operation(places[1], node, NO_DIGEST, record.seen[place])
            for record, place in zip(records, places, strict=True)
        )
        pairs[places] = one, other
    differing = [places for places, (one, other) in pairs.items() if one.made != other.made]
    first = layers.first(found)
    parting = _parting("module" if first else "none", pairs, first and first.places)
    return _traced(records[0].step, parting, _distances(pairs, differing, folders))


def _parting(
    kind: str,
    pairs: Mapping[Places, Pair],
    first: Places | None,
    origins: Iterable[Places] = (),
    alone: Alone = ((), ()),
) -> Parting:
    one, other = pairs[first] if first else (None, None)
    return Parting(
        kind=kind,
        operation=one,
        partner=other,
        pairs=tuple(pairs.values()),
        alone=alone,
        origins=tuple(pairs[places] for places in origins),
        modules=(),
        module=None,
    )


def _traced(step: int, parting: Parting, apart: Mapping[int, Distance | None]) -> Traced:
    return Traced(step=step, parting=parting, distances=apart, inputs=None, values={})


def _operation(place: int, node: Node, given: str = "", made: Collection[str] = ()) -> Operation:
    return Operation(
        place=place,
        phase=node.phase,
        module=node.module.replace("/", "."),
        op=node.op,
        line=node.line,
        given=(given,),
        made=tuple(made),
        random=None,
        types=node.types,
    )


def _distances(
    pairs: Mapping[Places, Pair], differing: Iterable[Places], folders: Sequence[Path]
) -> dict[int, Distance | None]:
    files = [np.load(folder / VALUES) for folder in folders]
    found = {}
    for places in differing:
        one = pairs[places][0]
        names = [[f"{place}_{i}" for place in places] for i in range(len(one.types))]
        known = [
            distances.whole(kind, *(f[n] for f, n in zip(files, name, strict=True)))
            for kind, name in zip(one.types, names, strict=True)
            if all(n in f for f, n in zip(files, name, strict=True))
        ]
        found[one.number] = max(known, key=lambda apart: apart.relative or 0.0, default=None)
    return found
