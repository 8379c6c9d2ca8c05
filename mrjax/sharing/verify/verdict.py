"""What the outcomes of a package's network here say, compared with those in the package."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.config import RunConfig
from mrjax.diverge import distances
from mrjax.runs import ledger
from mrjax.runs.result import DIGESTS
from mrjax.sharing.verify.findings import FAILED, NOT_MADE, PASSED, ROUNDED, Finding

INFERENCE, RETRAINING = "inference", "retraining"
BOUNDS = {"float64": 2.0**-40, "float32": 2.0**-15, "float16": 2.0**-6, "bfloat16": 2.0**-3}
"""Type of numbers -> largest difference that counts as rounding, over the largest output. The
bounds are a convention: 256 (float16 and bfloat16: 16; float64: 4096) times the type's relative
precision."""
_PROMISES_MACHINES, _PROMISES_RUNS = "machine_to_machine", "run_to_run"
_SHOWN = 4


def expectation(level: str, differences: Sequence[str]) -> tuple[bool, str]:
    """Return whether other bits are to be expected here, and why, as a clause.

    Args:
        level: level of reproducibility of the package.
        differences: differences of this environment from that of the training.
    """
    if level == _PROMISES_MACHINES:
        return False, "level machine_to_machine promises the same bits on every machine"
    some = "; ".join(differences[:_SHOWN])
    more = len(differences) - _SHOWN
    some += f"; and {more} more" if more > 0 else ""
    if level == _PROMISES_RUNS and not differences:
        return False, "level run_to_run promises the same bits on this machine and software"
    if differences:
        return True, f"level {level} promises nothing where these differ: {some}"
    return True, f"level {level} promises nothing"


def inference(
    package: Any, config: RunConfig, found: np.ndarray, differences: Sequence[str]
) -> Finding:
    """Compare the output for the test input with that in the package.

    Args:
        package: `mrjax.sharing.package.Package`.
        config: its configuration.
        found: the output here.
        differences: differences of this environment from that of the package.
    """
    wanted = np.asarray(package.test_output)
    if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
        ours, theirs = (f"{one.dtype}{list(one.shape)}" for one in (found, wanted))
        return Finding(
            INFERENCE, FAILED, f"The output is {ours}, in test/output.safetensors {theirs}."
        )
    kind = f"{wanted.dtype}[{','.join(map(str, wanted.shape))}]"
    far = distances.whole(kind, wanted, found)
    size = max(1, far.seen)
    largest, bound = _largest(wanted, found), _bound(config)
    facts = {
        "elements": far.seen,
        "unequal": far.unequal,
        "unequal_per_million": 1e6 * far.unequal / size,
        "ulp": far.ulp,
        "largest_difference": largest if math.isfinite(largest) else None,
        "bound": bound,
        "differences": list(differences),
    }
    if not far.unequal:
        return Finding(INFERENCE, PASSED, f"All {far.seen} elements have equal bits.", facts)
    expected, why = expectation(package.level, differences)
    ulp = "an unknown number of" if far.ulp is None else far.ulp
    said = (
        f"{far.unequal} of {far.seen} elements differ ({1e6 * far.unequal / size:.0f} per million),"
        f" by at most {ulp} ulp; the largest difference is {largest:.2g} of the largest output "
        f"(bound for rounding: {bound:.2g})."
    )
    if not expected:
        return Finding(INFERENCE, FAILED, f"{said} This is not to be expected: {why}.", facts)
    if not largest <= bound:
        return Finding(INFERENCE, FAILED, f"{said} This is more than rounding.", facts)
    return Finding(INFERENCE, ROUNDED, f"{said} This is to be expected: {why}.", facts)


def _largest(wanted: np.ndarray, found: np.ndarray) -> float:
    """The largest difference over the largest magnitude; infinite where one is not finite."""
    wide = np.complex128 if np.iscomplexobj(wanted) else np.float64
    a, b = np.asarray(wanted, wide), np.asarray(found, wide)
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return math.inf
    difference, scale = np.abs(a - b).max(initial=0.0), np.abs(a).max(initial=0.0)
    return float(difference / scale) if scale else (math.inf if difference else 0.0)


def _bound(config: RunConfig) -> float:
    short = config.matmul_precision != "highest" and config.dtype == "float32"
    return BOUNDS["float16" if short else config.dtype]  # TF32 has the precision of float16


def retraining(
    package: Any,
    steps: int,
    lines: Sequence[Mapping[str, Any]],
    digests: Mapping[str, str],
    differences: Sequence[str],
) -> Finding:
    """Compare steps taken again with the package's ledger, and digests with its result.

    Args:
        package: `mrjax.sharing.package.Package`.
        steps: number of steps that were asked for.
        lines: ledger of the steps taken here.
        digests: digests computed here, some of `mrjax.runs.result.DIGESTS`.
        differences: differences of this environment from that of the package.
    """
    theirs = {line["step"]: line for line in package.ledger}
    known = package.result["digests"]
    other = [name for name in DIGESTS if name in digests and digests[name] != known[name]]
    begun = [name for name in other if name in ("init", "order", "data")]
    expected, why = expectation(package.level, differences)
    clause = f" This is {'' if expected else 'not '}to be expected: {why}."
    facts = {"steps": len(lines), "asked": steps, "differences": list(differences)}
    if begun:
        said = f"The training begins otherwise: {', '.join(begun)} differ from result.digests."
        return Finding(RETRAINING, FAILED, said, facts | {"differing": begun})
    for line in lines:
        parted = _parted(line, theirs.get(line["step"]))
        if parted:
            first = {"step": line["step"], "quantity": parted[0]}
            said = f"ledger.jsonl, step {line['step']}: {parted[1]}."
            return Finding(RETRAINING, FAILED, said + clause, facts | {"first_difference": first})
    if len(lines) < steps:
        said = f"Only {len(lines)} of {steps} steps were taken; they are equal."
        return Finding(RETRAINING, NOT_MADE, said, facts)
    if other:
        said = f"All {steps} steps are equal, but {', '.join(other)} differ from result.digests."
        return Finding(RETRAINING, FAILED, said + clause, facts | {"differing": other})
    whole = "params" in digests and "predictions" in digests
    more = ", and so are the network and its predictions" if whole else ""
    of = f"all {steps} steps" if whole else f"the first {steps} of {package.result['steps']} steps"
    said = f"The digests of loss, gradients, parameters and batch of {of} are equal{more}."
    return Finding(RETRAINING, PASSED, said, facts)


def _parted(line: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return the first quantity in which two lines of a ledger differ, and this in words."""
    if theirs is None:
        return "step", "the ledger of the package has no such step"
    names = ledger.unequal(line, theirs)
    if not names:
        return None
    there, here = theirs[names[0]], line[names[0]]
    words = f"{ledger.WORDS[names[0]]} differ from here on ({there} there, {here} here)"
    return names[0], words + ("; the steps before are equal" if line["step"] > 1 else "")
