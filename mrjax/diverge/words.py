"""Where two trainings part, in sentences."""

from collections.abc import Iterator

from mrjax.diverge import traces
from mrjax.diverge.distances import Distance
from mrjax.diverge.parting import Parting
from mrjax.diverge.report import Report, Traced
from mrjax.diverge.steps import Steps
from mrjax.diverge.traces import Operation
from mrjax.diverge.values import Compared
from mrjax.runs import ledger

_SHOWN = 30
_SOME = 3

CAUSES = {
    "operation": "The first operation with equal inputs and unequal results:",
    "random": "The first difference is a random number: the generators were in different "
    "states before this operation:",
    "argument": "The first difference is a number that the script gave to an operation, such "
    "as a learning rate; its tensors are equal:",
    "input": "A tensor differs that no operation of the step made (the batch, a parameter or "
    "a buffer); the first to read it is this operation:",
    "module": "No operation was seen to differ (those of a compiled graph are not seen), but a "
    "module did:",
    "order": "The trainings do different operations; this is the first without a counterpart at "
    "its place:",
}


def lines(found: Report) -> Iterator[str]:
    """Say all of a report in lines of text."""
    yield from about_steps(found.steps)
    if not found.traced and found.steps.parted is not None:
        yield f"No step was traced in both runs. To learn the operation, {_advice(found.steps)}."
    for traced in found.traced:
        yield from about_trace(traced)


def _advice(found: Steps) -> str:
    parted = found.parted or 0
    if found.before + 1 < parted:
        return "repeat both and record every step; trace_at needs the step where they part"
    return f"repeat both with Recorder(..., trace_at=[{parted}])"


def about_steps(found: Steps) -> Iterator[str]:
    """Say at which step the trainings part, and what differed before or beside."""
    if not found.shared:
        yield "The ledgers have no step in common."
    elif found.parted is None:
        yield f"No difference at the {found.shared} steps that both recorded, up to {found.last}."
    else:
        first = ledger.WORDS[found.fields[0]]
        yield f"The trainings part at step {found.parted}, first in {first}."
        yield from _beside(found, found.parted)
    if found.missing:
        yield f"Not recorded: {', '.join(ledger.WORDS[name] for name in found.missing)}."
    if found.shared and not found.typed:
        yield "Types and shapes were not recorded at each step; values alone are compared there."
    if found.tensors is not None:
        step, names = found.tensors
        yield f"Tensors that differ first, at step {step}: {_listed(names)}."
    for metric in found.metrics:
        yield _metric(metric.name, metric.step, metric.values, metric.same)


def _beside(found: Steps, parted: int) -> Iterator[str]:
    if found.before + 1 < parted:
        where = f"step between {found.before} and {parted}" if found.before else "earlier step"
        yield f"  No {where} was recorded by both, so they may have parted before step {parted}."
    if found.shaped:
        shaped = _listed([ledger.WORDS[name] for name in found.shaped])
        yield f"  The values of {shaped} are equal there; types or shapes are not."
    if found.fields == ("params",) and not {"batch", "grads"} & set(found.missing):
        yield (
            "  Batch, loss and gradients of that step are equal: the update differs (a learning "
            "rate, the optimizer's state), or the parameters were changed after it."
        )
    if found.moved != (None, None):
        told = [f"step {step}" if step else "no step" for step in found.moved]
        yield f"  The order: A has that batch of B at {told[0]}, B that of A at {told[1]}."
    if found.random is not None and found.random[0] <= parted:
        step, names = found.random
        when = f"after step {step}" if step else "when the record began"
        yield (
            f"  The random number generators of {', '.join(names)} were in different states {when}."
        )
    if found.settings:
        told = [f"{name} ({a}, {b})" for name, (a, b) in found.settings.items()]
        yield f"  Settings that differ: {_listed(told)}."
    if found.surroundings:
        yield f"  Environments differ: {_listed(found.surroundings, '; ')}."


def _metric(name: str, step: int, values: tuple[float, float], same: bool | None) -> str:
    cause = {
        True: ", though the parameters are equal there: it is computed otherwise, or of other data",
        False: ", where the parameters differ too",
        None: "; whether the parameters were equal there was not recorded",
    }[same]
    return f"The metric {name} differs first at step {step} ({values[0]!r}, {values[1]!r}){cause}."


def about_trace(traced: Traced) -> Iterator[str]:
    """Say where two traces of one step part, and which modules followed."""
    found, step = traced.parting, traced.step
    alone = sum(map(len, found.alone))
    only = f"; {alone} operations are in one of them only" if alone else ""
    if not found.typed:
        yield f"Step {step}: types and shapes were not recorded at each line; values are compared."
    if found.kind == "none":
        yield f"Step {step}: all {found.compared} operations are equal{only}."
        return
    yield f"Step {step}, {found.compared} operations compared{only}. {CAUSES[found.kind]}"
    yield from _first(traced)
    yield from _others(found)
    yield from _wanted(traced)
    parted = [(name, counts) for name, counts in found.differing.items() if counts[0]]
    if parted:
        yield "  module: operations with unequal results, of those compared"
    for name, (differing, compared) in parted[:_SHOWN]:
        yield f"    {name or '(outside)'}: {differing} of {compared}"
    if len(parted) > _SHOWN:
        yield f"    and {len(parted) - _SHOWN} more modules"


def _first(traced: Traced) -> Iterator[str]:
    found = traced.parting
    one, side = found.operation or found.partner, "" if found.operation else ", in B only"
    if one is None:
        return
    yield f"  {named(one)}{side or _number(found)}"
    if found.kind == "argument" and found.operation and found.partner:
        yield f"  {arguments(found.operation, found.partner)}"
    yield from (f"  {words}" for words in other_types(found))
    if traced.first is not None:
        what = "that tensor" if traced.inputs is not None else "its results"
        yield f"  Distance of {what}: {distance(traced.first)}."
    for tensor in traced.values.get(one.number, ()):
        yield f"  {value(tensor)}"


def named(one: Operation) -> str:
    """Return name, phase, module, number and line of an operation."""
    where = f"module {one.module}" if one.module else "outside of the network's modules"
    return f"{one.op}, {one.phase}, {where}, operation {one.number} ({one.line})"


def _number(found: Parting) -> str:
    one, other = found.operation, found.partner
    if one is None:
        return ""
    if other is None:
        return ", in A only"
    return "" if one.number == other.number else f"; operation {other.number} in B"


def arguments(one: Operation, other: Operation) -> str:
    """Return the arguments in which two operations differ."""
    pairs = [pair for pair in zip(one.given, other.given, strict=False) if pair[0] != pair[1]]
    more = [] if len(one.given) == len(other.given) else ["another number of arguments"]
    return f"Arguments: {_listed([f'{a} in A, {b} in B' for a, b in pairs] + more, '; ')}."


def other_types(found: Parting) -> Iterator[str]:
    """Say which tensors that went into the operation differ in type or shape alone."""
    one, other = found.operation, found.partner
    if one is None or other is None:
        return
    for x, y in zip(one.tensors, other.tensors, strict=False):
        if x != y and traces.values(x) == traces.values(y):
            kinds = [text.partition(" ")[2] for text in (x, y)]
            yield f"A tensor has equal values, but is {kinds[0]} in A and {kinds[1]} in B."


def distance(found: Distance) -> str:
    """Return a distance in words; what was only sampled is called so."""
    share = f"{found.unequal} of {found.seen} elements differ"
    if found.whole:
        parts = [share]
    else:
        parts = [f"{found.unequal} of {found.seen} elements looked at differ"]
    if found.ulp is not None and found.unequal:
        unit = "ulp" if found.type.startswith(("float", "bfloat", "complex")) else "units"
        parts.append(f"{'' if found.whole else 'at least '}{found.ulp} {unit}")
    if found.relative is not None:
        about = "" if found.whole else "about "
        steps = f", {found.steps:.2g} epsilon" if found.steps is not None else ""
        parts.append(f"{about}{found.relative:.2g} of the norm{steps}")
    return f"{'; '.join(parts)} ({found.type})"


def value(found: Compared) -> str:
    """Return what is known of one tensor whose values were kept."""
    if found.equal:
        return f"{found.name}: equal."
    if found.distance is None:
        return f"{found.name}: of another type or shape."
    told = [
        f"[{', '.join(map(str, one.place))}] {one.values[0]!r} in A, {one.values[1]!r} in B"
        for one in found.distance.elements[:_SOME]
    ]
    return f"{found.name}: {distance(found.distance)}; largest at {'; '.join(told)}."


def _others(found: Parting) -> Iterator[str]:
    if found.module is not None and found.kind != "module":
        one = found.module[0]
        what = {"module.output": "output", "module.gradient": "gradient of its inputs"}
        where = f"module {one.module}" if one.module else "the network as a whole"
        told = what.get(one.op, "gradient of its parameters")
        yield f"  The first module with equal inputs and unequal outputs: {where} ({told})."
    rest = [one for one, _ in found.origins if one is not found.operation]
    if rest:
        head = "Further operations" if found.kind == "operation" else "Operations"
        told = [f"{one.op} {one.phase} {one.module or '(outside)'} {one.number}" for one in rest]
        yield f"  {head} with equal inputs and unequal results: {_listed(told, '; ')}."


def _wanted(traced: Traced) -> Iterator[str]:
    """Say how to get the values of the operation, where they were not kept."""
    one, other = traced.parting.operation, traced.parting.partner
    if one is None or other is None or one.number in traced.values:
        return
    which = f"values_of=[{one.number}]"
    if one.number != other.number:
        which += f" for A and values_of=[{other.number}] for B"
    yield f"  To see the values, repeat both with trace_at=[{traced.step}], {which}."


def _listed(words: object, mark: str = ", ") -> str:
    words = list(words)  # pyright: ignore
    more = f" and {len(words) - _SOME} more" if len(words) > _SOME else ""
    return mark.join(map(str, words[:_SOME])) + more
