"""The training loop on one screen: steps, evidence, checkpoints, and nothing else."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mrjax.backend.team import ALONE, Team
from mrjax.errors import RunFailed
from mrjax.numerics.trees import named_leaves
from mrjax.runs.folder import RunFolder
from mrjax.runs.jsonl import JsonLines
from mrjax.runs.ledger import Ledger
from mrjax.train import checkpoint, finite
from mrjax.train.progress import Progress
from mrjax.train.signals import StopRequest
from mrjax.train.step import Evidence

_NOTHING = -1
StepFunction = Callable[[Any, Any], tuple[Any, Evidence]]
"""(state, batch) -> (state, evidence), with the state and batch of a framework."""


class Outcome(NamedTuple):
    """How training ended.

    Attributes:
        state: state after the last step.
        step: number of steps taken in all.
        stopped_by: number of the signal that asked to stop, or None if all steps were taken.
    """

    state: Any
    step: int
    stopped_by: int | None


def train(
    folder: RunFolder,
    step_function: StepFunction,
    state: Any,
    batches: Callable[[int], Any],
    *,
    steps: int,
    checkpoint_every: int,
    keep_checkpoints: int = 2,
    kept: Callable[[Any], Any] = lambda state: state,
    restored: Callable[[Any, Any], Any] = lambda state, leaves: leaves,
    names: Sequence[str] = (),
    team: Team = ALONE,
) -> Outcome:
    """Take steps until there are `steps`, continuing from the folder's last checkpoint.

    A checkpoint is written only after the ledger up to its step is on disk, and a resumed run
    cuts the ledger back to its checkpoint. So a run that is killed at any moment loses the steps
    since the last checkpoint and repeats them bit for bit.

    Args:
        folder: run folder, which gets the evidence.
        step_function: compiled step; may consume its state.
        state: initial state; a checkpoint's state replaces it if there is one.
        batches: map from a step (from 0) to its batch; pure, so that only the step number needs to
            be saved.
        steps: number of steps in all.
        checkpoint_every: steps between checkpoints; 0 writes one at the end only.
        keep_checkpoints: number of newest checkpoints that stay; 0: all.
        kept: map from a state to the tree of arrays that a checkpoint holds; a JAX state is such a
            tree itself.
        restored: map from a state and such a tree to the state with the tree's leaves.
        names: tensor names, indexed by `Evidence.not_finite`.
        team: the processes that take the steps together; the others `follow`.

    Returns:
        The outcome; the state of `outcome.step` is on disk.

    Raises:
        RunFailed: the loss or another tensor is not finite; the message names step and tensor.
    """
    start, state = _begun(checkpoint.newest(folder.checkpoints), state, kept, restored, team)
    with (
        Ledger(folder.ledger) as ledger,
        JsonLines(folder.timing) as timing,
        Progress(start, steps) as progress,
        StopRequest() as stop,
    ):
        ledger.cut(start)
        timing.cut(start)
        record = _Recorder(ledger, timing, progress, names)
        for step in range(start + 1, steps + 1):
            state, evidence = step_function(state, batches(step - 1))
            # This reads the evidence of the step before, while the present step runs.
            record(step, evidence)
            signal = _heard(stop.signal, evidence, team)
            due = step == steps or (checkpoint_every and step % checkpoint_every == 0)
            if due or signal:
                record.finish()
                ledger.sync()
                timing.sync()
                checkpoint.save(folder.checkpoints, step, kept(state), keep_checkpoints)
            if signal:
                return Outcome(state, step, signal)
    return Outcome(state, max(start, steps), None)


def follow(
    step_function: StepFunction,
    state: Any,
    batches: Callable[[int], Any],
    *,
    steps: int,
    kept: Callable[[Any], Any],
    restored: Callable[[Any, Any], Any],
    team: Team,
) -> None:
    """Take the same steps as `train` in process 0, from whose checkpoint they go on.

    Args: as in `train`.
    """
    start, state = _begun(None, state, kept, restored, team)
    with StopRequest() as stop:
        for step in range(start + 1, steps + 1):
            state, evidence = step_function(state, batches(step - 1))
            if _heard(stop.signal, evidence, team):
                return


def _begun(
    found: tuple[int, dict[str, np.ndarray]] | None,
    state: Any,
    kept: Callable[[Any], Any],
    restored: Callable[[Any, Any], Any],
    team: Team,
) -> tuple[int, Any]:
    """Return the steps done and the state after them: those of process 0's checkpoint, if any."""
    start = team.every(found[0] if found else _NOTHING)[0]
    if start == _NOTHING:
        return 0, state
    like = kept(state)
    arrays = found[1] if found else {k: np.asarray(v) for k, v in named_leaves(like).items()}
    if team.count > 1:
        arrays = team.leaders(arrays)
    return start, restored(state, checkpoint.placed(like, arrays))


def _heard(signal: int | None, evidence: Evidence, team: Team) -> int | None:
    """Return a signal that has reached any process, the same in all of them after the same step."""
    if team.count == 1:
        return signal
    # Two exchanges at a time could meet each other's messages.
    jax.block_until_ready(evidence.loss)
    return max(team.every(signal or 0)) or None


class _Recorder:
    """Writes each step's evidence one step late, so that the loop never waits for the device."""

    def __init__(
        self, ledger: Ledger, timing: JsonLines, progress: Progress, names: Sequence[str]
    ) -> None:
        self._names = names
        self._ledger, self._timing, self._progress = ledger, timing, progress
        self._pending: tuple[int, Evidence] | None = None
        self._since = time.perf_counter()

    def __call__(self, step: int, evidence: Evidence) -> None:
        self.finish()
        self._pending = (step, evidence)

    def finish(self) -> None:
        if self._pending is None:
            return
        step, evidence = self._pending
        self._pending = None
        loss = float(evidence.loss)
        params, grads, batch = (int(d) for d in (evidence.params, evidence.grads, evidence.batch))
        self._ledger.append(step, loss, params, grads, batch)
        now = time.perf_counter()
        line: dict = {"step": step, "seconds": now - self._since}
        if bool(evidence.skipped):
            line["skipped"] = True
        self._timing.append(line)
        self._since = now
        place = int(evidence.not_finite)
        if not np.isfinite(loss) or place != finite.NONE:
            self._ledger.sync()
            first = "" if place == finite.NONE else f" and {self._names[place]} is not finite"
            raise RunFailed(
                f"the loss is {loss} at step {step}{first}; the ledger ends there, no checkpoint "
                "holds it; try a smaller --learning_rate or another --dtype"
            )
        self._progress.update(step, loss)
