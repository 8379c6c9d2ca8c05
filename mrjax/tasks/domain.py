"""The domain of a network: the properties of the data it was trained with, and what lies outside.

A network is right for data like those of its training. Its domain is kept with its weights, under
``domain`` in ``checkpoints/constants.json``; each subject that lies outside it gets a note that
says by how much. A task says in its own ``domain`` module what it measures of a subject.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mrjax.config import RunConfig
from mrjax.data.intake import Intake
from mrjax.data.regrid import Passage
from mrjax.errors import UserError

Domain = Mapping[str, Any]
"""Name of a property -> its values over the training subjects, as JSON."""
Measured = Mapping[str, float | None]
"""Name of a property -> its value for one subject; None where it is not known."""
KEY = "domain"
"""Of the record among the constants of a network."""
SAME_VOXELS = 0.15
"""Share by which an edge of a voxel may be longer or shorter than in training."""
_DIGITS = 6
"""Significant digits of a recorded number; the last bits of a sum differ between machines."""


class Property(NamedTuple):
    """A number that every subject has, whose range over the training subjects a domain holds.

    Attributes:
        text: the number in words.
        unit: of the number; "" for none.
        tolerance: factor by which a subject may lie outside the range, or (of degrees) the
            difference.
    """

    text: str
    unit: str
    tolerance: float

    def outside(self, value: float, low: float, high: float) -> str | None:
        """Say how far a number lies outside a range; None where it is near enough."""
        if self.unit == "degrees":
            by = max(low - value, value - high)
            word, far = f"{by:.3g} degrees", by > self.tolerance
        else:
            by = max(_quotient(low, value), _quotient(value, high))
            word, far = f"{by:.2g} times", by > self.tolerance
        if not far:
            return None
        more = "more" if value > high else "less"
        shown, span = (f"{t} {self.unit}".strip() for t in (f"{value:.3g}", _span(low, high)))
        return f"{self.text} of {shown}; the network was trained with {span}: {word} {more}"


def ranges(subjects: Iterable[Measured]) -> dict[str, list[float] | None]:
    """The lowest and the highest value of every property over all subjects that have it.

    Args:
        subjects: measured training subjects.

    Returns:
        Name -> [lowest, highest], or None where no subject has the property.
    """
    values: dict[str, list[float]] = {}
    for one in subjects:
        for name, value in one.items():
            known = values.setdefault(name, [])
            if value is not None and math.isfinite(value):
                known.append(rounded(value))
    return {name: [min(v), max(v)] if v else None for name, v in values.items()}


def rounded(value: float) -> float:
    """A number as the record holds it."""
    return float(f"{value:.{_DIGITS}g}")


def beyond(properties: Mapping[str, Property], domain: Domain, one: Measured) -> list[str]:
    """Say which properties of a subject lie outside a domain, and by how much.

    Args:
        properties: of the task, by name.
        domain: a record; what it does not hold is not compared.
        one: the measured subject.

    Returns:
        A clause for each property that lies outside; empty for a subject inside.
    """
    found = []
    for name, known in properties.items():
        value, span = one.get(name), domain.get(name)
        if value is not None and span is not None:
            found.append(known.outside(value, *span))
    return [clause for clause in found if clause]


def voxels_beyond(sizes: Sequence[float], spans: Sequence[Sequence[float]]) -> str | None:
    """Say how far the voxels of a subject are from those of the training.

    Args:
        sizes: edge lengths [mm].
        spans: the shortest and the longest edge of the training along each axis [mm].

    Returns:
        A clause; None where every edge is within `SAME_VOXELS`.
    """
    factors = [max(low / edge, edge / high) for edge, (low, high) in zip(sizes, spans, strict=True)]
    if max(factors) <= 1 + SAME_VOXELS:
        return None
    trained = " x ".join(_span(low, high) for low, high in spans)
    return (
        f"voxels of {edges(sizes)} mm; the network was trained with {trained} mm: up to "
        f"{max(factors):.2g} times another edge"
    )


def edges(sizes: Sequence[float]) -> str:
    """Edge lengths for a sentence: 0.5 x 0.5 x 2."""
    return " x ".join(f"{edge:.3g}" for edge in sizes)


def look_up(constants: Mapping[str, Any], names: Sequence[str], from_run: str) -> Domain | None:
    """Take a network's domain from its constants.

    Args:
        constants: of a trained network.
        names: properties that the record has if it is one of this task.
        from_run: where the network comes from, for messages.

    Returns:
        The record; None where there is none.

    Raises:
        UserError: there is one that cannot be read.
    """
    found = constants.get(KEY)
    if found is None:
        return None
    if not isinstance(found, dict) or set(found) != set(names):
        raise UserError(
            f"the domain of the network in {from_run} is damaged (domain in constants.json); "
            f"expected {', '.join(names)}; copy the run folder again"
        )
    return found


def kept(domain: Domain | None) -> dict[str, Domain]:
    """The domain as part of a network's constants."""
    return {} if domain is None else {KEY: domain}


def unknown(from_run: str, resample: bool, account: Intake) -> None:
    """Note that nothing is known of a network's domain.

    Args:
        from_run: where the network comes from.
        resample: whether the user wants subjects to be brought into the domain.
        account: of the run.

    Raises:
        UserError: subjects cannot be brought into a domain that is not known.
    """
    what = f"the domain of the network in {from_run} is not recorded"
    if resample:
        raise UserError(
            f"{what}, so --resample has no voxel size to bring subjects to; expected a network "
            "that was trained since domains are kept; train it again, or drop --resample"
        )
    account.note(f"{what}: whether these data lie inside it is not known")


def tell(name: str, clauses: Sequence[str], account: Intake, resample: bool = False) -> None:
    """Note each property by which a subject lies outside the network's domain.

    Args:
        name: of the subject.
        clauses: one for each property.
        account: gets the notes.
        resample: whether ``--resample`` would bring the subject into the domain.
    """
    advice = " (--resample brings it there)" if resample else ""
    for clause in clauses:
        account.note(f"outside the network's domain: {clause}{advice}", of=name)


def place(
    config: RunConfig, name: str, clauses: Sequence[str], way: Passage | None, account: Intake
) -> None:
    """Note where a subject's grid lies outside a domain, or how it is brought into it.

    Args:
        config: configuration of the run.
        name: of the subject.
        clauses: one for each property in which the grid lies outside.
        way: into the domain; None for a subject that stays as it is.
        account: gets the notes.

    Raises:
        UserError: order-free arithmetic is asked for, and values would be interpolated.
    """
    if way is None:
        tell(name, clauses, account, resample=config.steps == 0)
        return
    if config.numerics == "reproducible" and way.other is not None:
        raise UserError(
            f"--resample interpolates {name}, which gives other bits on other machines; expected "
            "a subject whose axes need only be turned under --numerics=reproducible; infer with "
            "--numerics=native, or drop --resample"
        )
    how = "turned axes" if way.other is None else "interpolation"
    for clause in clauses:
        account.note(f"brought into the network's domain and back by {how}: {clause}", of=name)


def _quotient(larger: float, smaller: float) -> float:
    return larger / smaller if smaller > 0 else (1.0 if larger <= smaller else math.inf)


def _span(low: float, high: float) -> str:
    low_text, high_text = f"{low:.3g}", f"{high:.3g}"
    return low_text if low_text == high_text else f"{low_text} to {high_text}"
