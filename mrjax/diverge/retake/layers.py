"""Compare one step of a network with that of its twin in PyTorch layer by layer, within rounding.

The two frameworks do different operations, so single operations have no counterparts; the outputs
of the network's modules and the gradients of its parameters have.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrjax.diverge import distances
from mrjax.diverge.retake.record import VALUES, Record
from mrjax.diverge.retake.values import Distance, decoded, distance

OUTPUT, GRADIENT = "output", "gradient"
TOLERANCE = 1000
"""Relative distance up to which a layer agrees, in units of the type's relative precision: sums of
some thousand rounded terms, after some ten layers, differ less."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """An output of a module, or the gradient of a parameter.

    Attributes:
        phase: ``forward`` or ``backward``.
        module: path of the module or of the parameter.
        distance: between both frameworks; None where JAX's result could not be seen.
        tolerance: relative distance up to which the layer agrees.
        scale: the largest number among all layers of this phase. A gradient that is zero but for
            rounding, as that of a bias before a normalisation, has no norm to compare with.
        places: of the layer in both records; None where JAX's result could not be seen.
    """

    phase: str
    module: str
    distance: Distance | None
    tolerance: float
    scale: float
    places: tuple[int, int] | None

    @property
    def share(self) -> float:
        """Relative distance, or the largest difference over `scale` where this is less."""
        apart = self.distance
        return min(apart.relative, apart.largest / (self.scale or 1)) if apart else float("inf")

    @property
    def agrees(self) -> bool:
        """Whether the difference is within rounding; False where it is not known."""
        return self.share <= self.tolerance


def compare(ours: Record, theirs: Record, folders: Sequence[Path]) -> list[Layer]:
    """Compare every layer that PyTorch shows with its counterpart, in order.

    Args:
        ours: a step in JAX, or in PyTorch.
        theirs: the step in PyTorch.
        folders: the folder of each record.
    """
    files = [np.load(folder / VALUES) for folder in folders]
    scales: dict[str, float] = {}
    for place, node in enumerate(theirs.nodes):
        array = decoded(files[1][f"{place}_0"], node.types[0])
        largest = float(np.abs(array).max(initial=0))
        scales[node.phase] = max(scales.get(node.phase, 0), largest)
    found = []
    for place, (node, twin) in enumerate(
        zip(theirs.nodes, counterparts(ours, theirs), strict=True)
    ):
        apart, places, other = None, None, files[1][f"{place}_0"]
        if twin is not None and f"{twin}_0" in files[0]:
            apart = distance(files[0][f"{twin}_0"], other, node.types[0])
            places = twin, place
        tolerance = TOLERANCE * distances.EPSILON[distances.real(node.types[0])]
        found.append(Layer(node.phase, node.module, apart, tolerance, scales[node.phase], places))
    return found


def counterparts(ours: Record, theirs: Record) -> list[int | None]:
    """Return the place in the other record of each layer of PyTorch; None without a counterpart."""
    if ours.framework == theirs.framework:
        return list(range(len(theirs.nodes)))
    return [counterpart(ours, node.op, node.module, node.types[0]) for node in theirs.nodes]


def counterpart(record: Record, kind: str, module: str, type_: str) -> int | None:
    """Return the operation in JAX that makes an output of a module or a gradient; None without one.

    The output of a module is the last of its results of that type and shape. The gradient of a
    parameter is what the update of this parameter takes from the backward pass.
    """
    places = _outputs(record, module) if kind == OUTPUT else _gradients(record, module)
    fitting = [p for p in places if record.nodes[p].types == (type_,)]
    if not fitting:
        return None
    return fitting[-1] if kind == OUTPUT else fitting[0]


def _outputs(record: Record, module: str) -> Iterator[int]:
    for place, node in enumerate(record.nodes):
        if node.phase == "forward" and f"{node.module}/".startswith(f"{module}/"):
            yield place


def _gradients(record: Record, module: str) -> Iterator[int]:
    for node in record.nodes:
        if node.phase == "update" and node.module == module:
            makers = (one for one in node.inputs if isinstance(one, int))
            yield from (one for one in makers if record.nodes[one].phase == "backward")


def first(layers: Sequence[Layer]) -> Layer | None:
    """Return the first layer that differs by more than rounding, or else the first by bits."""
    unequal = [one for one in layers if one.distance and one.distance.unequal]
    return next((one for one in unequal if not one.agrees), next(iter(unequal), None))


def text(layers: Sequence[Layer]) -> Iterator[str]:
    """Say which layer differs first, by bits and beyond rounding."""
    known = [one for one in layers if one.distance is not None]
    hidden = len(layers) - len(known)
    if hidden:
        yield f"{hidden} of {len(layers)} layers could not be seen in JAX without a change of bits."
    unequal = next((one for one in known if one.distance and one.distance.unequal), None)
    beyond = next((one for one in known if not one.agrees), None)
    if unequal is None:
        yield f"All {len(known)} layers that were compared are equal bit for bit."
        return
    yield f"The first layer with unequal bits: {_named(unequal)}"
    if beyond is None:
        worst = max(known, key=lambda one: one.share)
        yield (
            f"All {len(known)} layers agree within rounding (relative distance up to "
            f"{worst.tolerance:.2g}); the largest: {_named(worst)}"
        )
    else:
        yield (
            f"The first layer that differs by more than rounding (relative distance above "
            f"{beyond.tolerance:.2g}): {_named(beyond)}"
        )


def _named(one: Layer) -> str:
    apart = one.distance
    assert apart is not None
    what = "output of" if one.phase == "forward" else "gradient of"
    ulp = "" if apart.usual is None else f", usually by {apart.usual:g} ulp"
    return (
        f"{what} {one.module}, {apart.unequal} of {apart.elements} elements differ{ulp}, relative "
        f"to the norm {apart.relative:.2g}"
    )
