"""The training loop: evidence, resume, stopping, divergence. The step is a toy; files are real."""

import os
import signal
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.errors import RunFailed
from mrjax.runs import jsonl, ledger
from mrjax.runs.folder import RunFolder
from mrjax.train import checkpoint
from mrjax.train.finite import NONE
from mrjax.train.loop import train
from mrjax.train.step import Evidence, LossScale, State


class Toy:
    """A step that adds the batch to one parameter; it can fail or send a signal."""

    def __init__(
        self, nan_at: int = 0, stop_at: int = 0, crash_at: int = 0, overflow_at: int = 0
    ) -> None:
        self.nan_at, self.stop_at, self.crash_at = nan_at, stop_at, crash_at
        self.overflow_at = overflow_at
        self.taken: list[int] = []

    def start(self) -> State:
        scale = LossScale(jnp.ones((), jnp.float32), jnp.zeros((), jnp.int32))
        return State({"w": jnp.zeros(1, jnp.float32)}, {}, {}, scale)

    def batches(self, step: int) -> dict:
        return {"x": np.full(1, step + 1, np.float32)}

    def __call__(self, state: State, batch: dict) -> tuple[State, Evidence]:
        step = int(batch["x"][0])
        self.taken.append(step)
        if step == self.crash_at:
            raise RuntimeError("the machine went away")
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        loss = float("nan") if step == self.nan_at else 1.0 / step
        params = {"w": state.params["w"] + batch["x"]}
        digest = int(params["w"][0])
        broken = 1 if step == self.overflow_at else NONE
        evidence = Evidence(loss, digest, 2 * digest, step, False, broken)
        return state._replace(params=params), evidence


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "checkpoints").mkdir()
    return RunFolder(tmp_path)


def run(folder: RunFolder, toy: Toy, steps: int = 10, checkpoint_every: int = 4, **options):
    return train(
        folder,
        toy,
        toy.start(),
        toy.batches,
        steps=steps,
        checkpoint_every=checkpoint_every,
        names=("gradients/w", "params/w"),
        **options,
    )


def test_every_step_leaves_its_line(folder):
    outcome = run(folder, Toy())
    rows = ledger.read(folder.ledger)
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert rows[3]["loss"] == 0.25
    assert int(rows[-1]["params"], 16) == 55
    assert int(rows[-1]["batch"], 16) == 10
    assert outcome.state.params["w"][0] == 55
    assert outcome.stopped_by is None
    assert [row["step"] for row in jsonl.read(folder.timing)] == list(range(1, 11))


@pytest.mark.parametrize("crash_at, begins_at", [(3, 1), (5, 5), (7, 5), (10, 9)])
def test_a_crash_costs_the_steps_since_the_checkpoint_and_changes_nothing(
    folder, tmp_path_factory, crash_at, begins_at
):
    whole = RunFolder(tmp_path_factory.mktemp("whole"))
    run(whole, Toy())
    with pytest.raises(RuntimeError):
        run(folder, Toy(crash_at=crash_at))
    again = Toy()
    outcome = run(folder, again)
    assert again.taken[0] == begins_at
    assert folder.ledger.read_bytes() == whole.ledger.read_bytes()
    assert outcome.state.params["w"][0] == 55


def test_a_finished_training_takes_no_step(folder):
    run(folder, Toy())
    again = Toy()
    assert run(folder, again).state.params["w"][0] == 55
    assert again.taken == []


def test_sigterm_finishes_the_step_and_saves(folder):
    outcome = run(folder, Toy(stop_at=6))
    assert outcome.stopped_by == signal.SIGTERM
    assert outcome.step == 6
    found = checkpoint.latest(folder.checkpoints, Toy().start())
    assert found is not None and found[0] == 6
    assert [row["step"] for row in ledger.read(folder.ledger)] == list(range(1, 7))
    again = Toy()
    run(folder, again)
    assert again.taken[0] == 7


def test_nan_names_its_step_and_saves_nothing_after_it(folder):
    with pytest.raises(RunFailed, match="nan at step 5"):
        run(folder, Toy(nan_at=5))
    rows = ledger.read(folder.ledger)
    assert rows[-1]["step"] == 5
    assert rows[-1]["loss_hex"] == "nan"
    found = checkpoint.latest(folder.checkpoints, Toy().start())
    assert found is not None and found[0] == 4


def test_an_overflow_names_its_tensor_though_the_loss_is_finite(folder):
    with pytest.raises(RunFailed, match=r"the loss is 0\.25 at step 4 and params/w is not finite"):
        run(folder, Toy(overflow_at=4), steps=4)
    assert ledger.read(folder.ledger)[-1]["step"] == 4
    assert checkpoint.latest(folder.checkpoints, Toy().start()) is None


def test_nan_at_a_checkpoint_step_is_not_saved(folder):
    with pytest.raises(RunFailed, match="nan at step 4"):
        run(folder, Toy(nan_at=4))
    assert checkpoint.latest(folder.checkpoints, Toy().start()) is None


def test_all_checkpoints_may_stay(folder):
    run(folder, Toy(), keep_checkpoints=0)
    assert sorted(p.stem for p in folder.checkpoints.glob("*.npz")) == [
        f"step_{step:08d}" for step in (4, 8, 10)
    ]


def test_without_interval_only_the_end_is_saved(folder):
    run(folder, Toy(), checkpoint_every=0)
    assert [p.name for p in folder.checkpoints.glob("*.npz")] == ["step_00000010.npz"]
