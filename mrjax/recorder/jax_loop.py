"""Record the training of any network in JAX, so that two trainings can be compared bit for bit.

    from mrjax.recorder import JaxRecorder

    record = JaxRecorder("runs/a", params, config=vars(args))
    for batch in batches:
        params, opt_state, loss, grads = train_step(params, opt_state, batch)
        record.step(loss, params=params, grads=grads, batch=batch)
    record.finish()

The trees may be those of Flax, Equinox, Haiku or plain dictionaries. The folder is that of
`mrjax.recorder.recorder`, and digests are computed where the arrays are.
"""

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from mrjax.errors import UserError
from mrjax.recorder import jax_facts, jax_leaves, jax_numbers
from mrjax.recorder.jax_folder import LEDGER, METRICS, RunFolder, settings
from mrjax.runs.digests import content, hex64
from mrjax.runs.metrics import METRICS as RESULT_METRICS

_KINDS = ("params", "grads", "batch", "keys")


@dataclasses.dataclass(frozen=True)
class _Started:
    """A step whose digests the device is still computing.

    Attributes:
        step: number of the update.
        loss: an array of JAX, or a number.
        names: of the leaves of each of `_KINDS`.
        kinds: digests of the types and shapes of each of `_KINDS`.
        sums: from `jax_leaves.start_sums`.
        states: digests of the states of random number generators.
        seconds: since the recorder began.
    """

    step: int
    loss: Any
    names: tuple[tuple[str, ...], ...]
    kinds: tuple[int, ...]
    sums: list[Any]
    states: Mapping[str, str]
    seconds: float


class JaxRecorder(contextlib.AbstractContextManager):
    """Writes the run folder of a training in JAX; as a context manager it also finishes it.

    Nothing waits for the device but for the digests of the step before: the line of a step is
    written when the next step has been given, or by `flush`, `metrics` and `finish`.

    Args:
        folder: of the run; made where it is absent.
        params: the tree of trained arrays and of whatever else a step changes and reads again, such
            as batch statistics; the same tree that is given to `step`.
        config: settings of the training, such as ``vars(args)``; what is no JSON becomes text.
        name: of the experiment, one word.
        every: record the first step and every `every`-th one.
        leaves: whether each parameter and gradient gets a digest of its own.
        steps_done: updates taken before, when the script resumes from its own checkpoint: the
            records of later steps are cut off and written again.

    Attributes:
        folder: of the run.
        steps_done: updates recorded or passed over so far.

    Raises:
        UserError: `params` has no leaf, JAX runs in several processes, or the folder cannot be
            written, or holds a finished run, other settings, or records that end before
            `steps_done`.
    """

    def __init__(
        self,
        folder: str | Path,
        params: Any,
        *,
        config: Mapping[str, Any] | None = None,
        name: str = "training",
        every: int = 1,
        leaves: bool = False,
        steps_done: int = 0,
    ) -> None:
        """Open the folder; see the class."""
        _require(every >= 1 and steps_done >= 0, "every must be at least 1 and steps_done 0")
        one = f"JAX runs in {jax.process_count()} processes; expected one, with any devices"
        _require(jax.process_count() == 1, one)
        found = jax_leaves.leaves(params)
        _require(bool(found), "params has no leaf; expected the tree of trained arrays")
        self.folder, self.steps_done = Path(folder), int(steps_done)
        self._name, self._every, self._leaves = name, every, leaves
        self._kinds, self._known = jax_leaves.kinds(found), False
        self._params, self._began, self._finished = params, time.perf_counter(), False
        self._pending: _Started | None = None
        environment = jax_facts.capture(found.values())
        environment["start"] = {"init": jax_leaves.content(found)}
        self._files = RunFolder(
            self.folder,
            settings({} if config is None else config, name),
            environment,
            steps_done=self.steps_done,
            every=every,
        )
        self._metrics = {n: v for line in self._files.kept[METRICS] for n, v in line.items()}
        self._compare_resumed(found)

    # What a script calls.

    def step(
        self,
        loss: Any,
        params: Any = None,
        grads: Any = None,
        batch: Any = None,
        keys: Any = None,
    ) -> None:
        """Record one update; call it after the training step.

        Args:
            loss: of this step; an array of one element or a number; a note tells of anything else.
            params: the tree that the step returned.
            grads: the tree of gradients; None: they are not recorded.
            batch: what the step was given, any tree; None: it is not recorded.
            keys: keys of JAX that the step drew random numbers with, any tree.

        Raises:
            UserError: `params` is missing or, at the first call, another tree than the recorder was
                made with; an array was donated; the call is inside of a compiled function.
        """
        call = "step(loss, params=..., grads=..., batch=...)"
        _require(len(jax.tree.leaves(params)) > 0, f"step without params; expected {call}")
        self.steps_done += 1
        self._params = params
        if self.steps_done != 1 and self.steps_done % self._every:
            return
        started = self._start(loss, params, grads, {"batch": batch}, {"key": keys})
        self.flush()
        self._pending = started

    def metrics(self, **values: Any) -> None:
        """Record metrics that hold after the present step, such as ``ssim=0.91``."""
        self.flush()
        plain = {name: jax_numbers.read(name, value, self.note) for name, value in values.items()}
        self._metrics.update(plain)
        self._files.append(METRICS, {"step": self.steps_done, **plain})

    def note(self, text: str) -> None:
        """Record a remark, and say it once on stderr."""
        self._files.note(text, self.steps_done)

    def flush(self) -> None:
        """Wait for the last step and write its line; call it before a checkpoint is saved."""
        started, self._pending = self._pending, None
        if started is not None:
            self._write(started)

    def finish(self, **metrics: Any) -> None:
        """Record that the training is whole; call it once, after the last step.

        Args:
            metrics: final ones, as for `metrics`.
        """
        if self._finished:
            return
        if metrics:
            self.metrics(**metrics)
        self.flush()
        self._finished = True
        self._files.finish(self._result())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the record; after an error only write the last line."""
        if kind is None:
            self.finish()
        else:
            self.flush()

    # Evidence of a step.

    def _start(self, loss: Any, *trees: Any) -> _Started:
        """Begin to compute the digests of params, grads, batch and keys."""
        found = [jax_leaves.leaves(tree) for tree in trees[:2]]
        found += [self._given(tree) for tree in trees[2:]]
        self._watch(*found)
        sums = jax_leaves.start_sums(found)
        for array in sums:
            if isinstance(array, jax.Array):
                array.copy_to_host_async()
        return _Started(
            step=self.steps_done,
            loss=jax_numbers.kept(loss),
            names=tuple(tuple(leaves) for leaves in found),
            kinds=tuple(jax_leaves.kinds_digest(leaves) for leaves in found),
            sums=sums,
            states=jax_facts.random_states(),
            seconds=time.perf_counter() - self._began,
        )

    def _given(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the leaves of a batch or of keys; none, with a note, if one has no digest."""
        try:
            return jax_leaves.leaves(tree, whole=True)
        except UserError:
            raise
        except Exception as error:  # a record must not end a training
            told = " ".join(str(error).split())[:200]
            self.note(f"the {next(iter(tree))} is not recorded: {told}")
            return {}

    def _watch(self, params: jax_leaves.Leaves, grads: jax_leaves.Leaves, *_: Any) -> None:
        """Refuse a wrong tree at the first call; later say that it has changed, and go on."""
        if not grads:
            self.note("no gradients at a step: give grads, or they cannot be compared")
        kinds = jax_leaves.kinds(params)
        if kinds != self._kinds:
            changed = jax_leaves.changed(self._kinds, kinds)
            _require(
                self._known,
                f"params at step {self.steps_done} are another tree than JaxRecorder was given "
                f"({changed}); expected the same; give both calls the same kind of tree",
            )
            self.note(f"params are another tree from step {self.steps_done} on ({changed})")
        self._kinds, self._known = kinds, True

    def _write(self, started: _Started) -> None:
        parts = jax_leaves.finish_sums(started.names, started.sums)
        found = dict(zip(_KINDS, parts, strict=True))
        total = {kind: hex64(sum(values.values())) for kind, values in found.items()}
        loss, states = jax_numbers.read("loss", started.loss, self.note), dict(started.states)
        if found["keys"]:
            states["jax"] = total["keys"]
        line = {"step": started.step, "loss": loss, "loss_hex": loss.hex()}
        line |= {kind: total[kind] for kind in ("params", "grads", "batch")}
        shaped = dict(zip(_KINDS, map(hex64, started.kinds), strict=True))
        line["kinds"] = {kind: shaped[kind] for kind in ("params", "grads", "batch")}
        self._files.append(LEDGER, {**line, "rng": states})
        self._files.append("timing.jsonl", {"step": started.step, "seconds": started.seconds})
        if self._leaves:
            each = {k: {n: hex64(v) for n, v in found[k].items()} for k in ("params", "grads")}
            self._files.append("leaves.jsonl", {"step": started.step, **each})

    def _compare_resumed(self, params: jax_leaves.Leaves) -> None:
        """Say so where the checkpoint holds other parameters than the step that it is of."""
        last = next(reversed(self._files.kept[LEDGER]), {})
        if last.get("step") != self.steps_done:
            return
        (found,) = jax_leaves.finish_sums([tuple(params)], jax_leaves.start_sums([params]))
        if hex64(sum(found.values())) != last["params"]:
            at = f"resumed at step {self.steps_done}"
            self.note(f"{at} with other parameters than recorded there")

    def _result(self) -> dict[str, Any]:
        known = jax_numbers.finite({n: v for n, v in self._metrics.items() if n != "step"})
        named = {n: [known[n]] for n in RESULT_METRICS if known.get(n) is not None}
        environment, nothing = self._files.environment, content({})
        digests = {"init": environment["start"]["init"], "params": self._final()}
        train = time.perf_counter() - self._began
        return {
            "schema_version": 1,
            "experiment": self._name,
            "framework": "jax",
            "level": environment["backend"]["level"],
            "steps": self.steps_done,
            "subjects": ["all"] if named else [],
            "metrics": named,
            "baselines": {},
            "digests": {**digests, "order": nothing, "data": nothing, "predictions": nothing},
            "seconds": {"setup": 0.0, "compile": 0.0, "train": train, "infer": 0.0},
            "memory_bytes": jax_facts.memory(),
            "extra": {"recorder": 1, "every": self._every, "metrics": known},
        }

    def _final(self) -> str:
        """Digest of the last parameters, unless the script has donated them since."""
        try:
            return jax_leaves.content(jax_leaves.leaves(self._params))
        except UserError as error:
            self.note(f"the final parameters are not recorded: {error}")
            return content({})


def _require(good: bool, otherwise: str) -> None:
    if not good:
        raise UserError(otherwise)
