"""A certificate in sentences, the same in plain text, Markdown and LaTeX."""

from collections.abc import Iterator
from typing import Any

from mrjax.runs.ledger import WORDS
from mrjax.study.certificate.facts import (
    Apart,
    Certificate,
    Pair,
    decimals,
    significant_bits,
)

_SHOWN = 8


def paragraphs(found: Certificate) -> list[tuple[str, list[str]]]:
    """Return headings, each with its sentences."""
    told = [("Runs", list(_runs(found)))]
    for pair in found.pairs:
        told.append((" and ".join(pair.labels), list(_pair(pair))))
    told.append(("What this allows to say", list(_allows(found))))
    return told


def verdict(pair: Pair) -> str:
    """Return one sentence: up to where two runs are equal, and where they part."""
    a, b = pair.labels
    if not pair.steps:
        return f"{a} and {b} have no recorded step in common; nothing can be said."
    if pair.parted is None and pair.missing:
        return (
            f"{a} and {b} show no difference in {_steps(pair.through, pair.equal)}, but not all of "
            "what a step computes was recorded."
        )
    if pair.parted is None:
        ended = "" if pair.ends[0] == pair.ends[1] else f"; {_shorter(pair)}"
        return f"{a} and {b} are identical for {_steps(pair.through, pair.equal)}{ended}."
    step, fields = pair.parted
    before = (
        f"identical for {_steps(pair.through, pair.equal)} and" if pair.equal else "not identical:"
    )
    between = "" if step == pair.through + 1 else f"; {_unseen(pair.through, step)}"
    return (
        f"{a} and {b} are {before} they part at step {step}, first in {WORDS[fields[0]]}{between}."
    )


def _unseen(through: int, step: int) -> str:
    """Return that two runs may have parted before the first step that differs."""
    where = f"step between {through} and {step}" if through else "earlier step"
    return f"no {where} was recorded by both, so they may have parted before step {step}"


def _steps(through: int, equal: int) -> str:
    """Return how many steps are equal; not all of them need to be recorded."""
    if through == equal:
        return _counted(equal, "step")
    return f"all {equal} recorded steps up to step {through} (the steps between were not recorded)"


def _shorter(pair: Pair) -> str:
    label, end = min(zip(pair.labels, pair.ends, strict=True), key=lambda one: one[1])
    short = max(pair.ends) - end
    return f"{label} ends at step {end}, {_counted(short, 'step')} before the other"


def _runs(found: Certificate) -> Iterator[str]:
    for label, about in found.runs.items():
        how = "finished" if about["finished"] else "not finished, or not recorded to its end"
        every = "every step" if about["every_step"] else f"{about['recorded']} of these"
        mixed = about["resumed_elsewhere"]
        changed = (
            f"; it was resumed {_counted(mixed, 'time')} in another environment" if mixed else ""
        )
        yield f"{label}: {_counted(about['last'], 'step')}, {every} recorded; {how}{changed}."


def _pair(pair: Pair) -> Iterator[str]:
    yield _start(pair)
    yield verdict(pair)
    if pair.parted is not None and len(pair.parted[1]) > 1:
        others = _listed([WORDS[name] for name in pair.parted[1][1:]])
        yield f"At that step {others} differ too, computed after it."
    if pair.shaped:
        shaped = _listed([WORDS[name] for name in pair.shaped])
        yield f"There the values of {shaped} are equal; types or shapes are not."
    yield from _causes(pair)
    if pair.missing:
        yield f"Not recorded in at least one run: {_listed([WORDS[n] for n in pair.missing])}."
    if pair.steps and not pair.typed:
        yield (
            "Types and shapes of arrays were not recorded in at least one run; values alone are "
            "compared."
        )
    yield _differences("The loss", pair.loss)
    for name, found in pair.metrics.items():
        yield _differences(f"The metric {name}", found)
    yield _settings(pair)
    yield _surroundings(pair)


def _start(pair: Pair) -> str:
    if pair.start is None:
        return "Whether the initial weights were equal was not recorded."
    return f"The initial weights were {'equal' if pair.start else 'different'}."


def _causes(pair: Pair) -> Iterator[str]:
    """Say what differed although no arithmetic did: batches and random numbers."""
    if "batch" in pair.missing or not pair.steps:
        yield "Whether both saw the same batches is not known."
    elif pair.batches is None:
        yield "Both saw the same batches in the same order at every step that both recorded."
    else:
        yield f"The batches differ from step {pair.batches} on or at some steps after it."
    if pair.random is not None:
        step, names = pair.random
        yield (
            f"After step {step} the random number generators of {_listed(list(names))} are in "
            "different states: a seed differs, or one run drew more numbers."
        )


def _differences(name: str, found: Apart) -> str:
    if found.largest is None or found.final is None or found.values is None:
        return f"{name} has no finite value in both runs at the same step."
    (largest, at), (final, last) = found.largest, found.final
    if not largest:
        steps = "the one step" if found.steps == 1 else f"all {found.steps} steps"
        return f"{name} is equal at {steps} at which both runs have it."
    end = f"at step {last}, the last, it is {final:.3g}"
    if final:
        places, bits = decimals(final), significant_bits(found.values)
        end += (
            f" ({_counted(places, 'decimal place')} and {_counted(bits, 'significant bit')} agree)"
        )
    return f"{name} differs by at most {largest:.3g}, at step {at}; {end}."


def _settings(pair: Pair) -> str:
    if not pair.settings:
        return "The recorded settings are equal."
    told = [f"{name} ({_short(a)}, {_short(b)})" for name, (a, b) in pair.settings.items()]
    return f"Settings that differ: {_listed(told)}."


def _surroundings(pair: Pair) -> str:
    if not pair.surroundings:
        return "The recorded environments and switches are equal."
    return f"Environments differ: {_listed(list(pair.surroundings), '; ')}."


def _allows(found: Certificate) -> Iterator[str]:
    n = len(found.runs)
    if found.bound is not None:
        yield (
            f"All {n} runs are identical. Had a share of {found.bound:.0%} or more of all "
            f"repetitions differed, {_counted(n - 1, 'repetition')} would all have been "
            "equal in less than 5 % of cases: smaller shares cannot be excluded."
        )
    elif found.distinct > 1:
        yield f"Among the {n} runs are {found.distinct} different trainings."
    if any(pair.parted for pair in found.pairs):
        yield (
            "A step at which these runs part is one observation; other repetitions may part "
            "earlier or later."
        )
    yield (
        "Nothing here says how these trainings would go on another machine, or with other versions "
        "of software."
    )


def _counted(number: int | None, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _listed(words: list[str], joint: str = ", ") -> str:
    more = [f"{len(words) - _SHOWN} more"] if len(words) > _SHOWN else []
    return joint.join(words[:_SHOWN] + more)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
