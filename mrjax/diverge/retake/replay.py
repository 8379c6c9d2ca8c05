"""The steps between a checkpoint and the step that is taken again."""

from collections.abc import Mapping
from typing import Any

from mrjax.diverge.retake.sides import Side
from mrjax.errors import RunFailed
from mrjax.runs import digests, ledger


def replayed(side: Side, ready: Any, state: Any, done: int, step: int) -> Any:
    """Take the steps after `done` and before `step` again; they must repeat the ledger.

    Args:
        side: the training.
        ready: `mrjax.tasks.engine.Ready`.
        state: after `done` steps; may be consumed.
        done: number of steps taken.
        step: number of the step before which to stop.

    Returns:
        The state before `step`.

    Raises:
        RunFailed: a step differs from the ledger.
    """
    lines = side.lines()
    for number in range(done + 1, step):
        state, evidence = ready.step(state, ready.batches(number - 1))
        if number in lines and not same(of(evidence), lines[number]):
            raise RunFailed(
                f"{side.folder.path} cannot be taken again here: its step {number} gives other "
                "bits than its ledger has; expected the machine, the interpreter (--python_a, "
                "--python_b) and the code of that run; or repeat the run with --keep_checkpoints=0 "
                "and a small --checkpoint_every"
            )
    return state


def of(evidence: Any) -> dict[str, str]:
    """Return the evidence of a step as a ledger has it."""
    names = ("params", "grads", "batch")
    found = {name: digests.hex64(int(getattr(evidence, name))) for name in names}
    return {"loss_hex": float(evidence.loss).hex(), **found}


def same(evidence: Mapping[str, str], line: Mapping[str, Any]) -> bool:
    """Whether a step has the digests of a line of a ledger."""
    return not ledger.unequal(evidence, line)
