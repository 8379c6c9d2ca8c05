"""Several sources, one question: Holm's correction."""

from collections.abc import Mapping


def holm(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """Adjust p-values so that the chance of any false alarm among them stays at the level.

    Args:
        p: source or arm -> p-value; None where nothing was tested (identical arms), which does
            not count as a test.

    Returns:
        The same keys with adjusted values, None where there was none.

    Raises:
        ValueError: a value outside 0 to 1.

    Source: Holm, Scand J Stat 6:65 (1979).
    """
    tested = {name: value for name, value in p.items() if value is not None}
    for name, value in tested.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}: {value} is no p-value; expected 0 to 1")
    adjusted: dict[str, float | None] = dict.fromkeys(p)
    largest = 0.0
    for place, name in enumerate(sorted(tested, key=lambda name: tested[name])):
        largest = max(largest, min(1.0, (len(tested) - place) * tested[name]))
        adjusted[name] = largest
    return adjusted
