"""Record the training of any PyTorch network, so that two trainings can be compared bit for bit.

This one file stands alone: Python 3.8 or later and torch 1.12 or later, nothing else. Copy it
beside a script, or import it from mrjax. A training loop needs about three lines more::

    from recorder import Recorder                  # or: from mrjax.recorder import Recorder

    record = Recorder("runs/a", model, optimizer, config=vars(args))
    for batch in loader:
        ...
        optimizer.step()
        record.step(loss, batch)                   # before the gradients are set to zero
    record.finish()

The folder gets the files of a run folder of mrjax:

``config.json``        what `config` held, with a digest
``environment.json``   software, hardware, the switches of torch that decide about bits, seeds
``ledger.jsonl``       one line a step: the loss, and 64-bit digests of parameters, gradients and
                       batch, of their types and shapes, and of the states of the random number
                       generators
``leaves.jsonl``       with ``leaves=True``: one digest for each parameter and gradient
``trace-*.jsonl``      with `trace_at`: one line for each operation of that step
``values-*.npz``       with `values_of`: the tensors of an operation
``metrics.jsonl``      what `Recorder.metrics` was given
``timing.jsonl``       seconds since the recorder began, which never repeat
``result.json``        written by `Recorder.finish`, last: its existence says that the run is whole

A digest is an integer sum, which has one value in every order, computed where the tensors are.
Nothing of the training is changed: no seed is set, no random number is drawn, no switch is touched.
If the folder can no longer be written, one line says so and the training goes on.
"""

from __future__ import annotations

import argparse
import collections
import collections.abc
import concurrent.futures
import ctypes
import enum
import functools
import hashlib
import json
import math
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types
import weakref
import zipfile
from pathlib import Path

import torch

try:
    import resource
except ImportError:  # Windows
    resource = None

_INDEX_FACTOR = 0x9E3779B97F4A7C15
_BITS_FACTOR = 0xD1342543DE82EF95
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_MIX_LAST = 31
_BLOCK = {"cpu": 1 << 15, "cuda": 1 << 20}
"""Elements mixed at a time: what the cache of a processor holds; little of a GPU's memory."""
_SMALL = 1 << 15
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_WRAPPERS = re.compile(r"(^|\.)(module|_orig_mod)(?=\.)")
_LOGS = ("ledger.jsonl", "leaves.jsonl", "metrics.jsonl", "timing.jsonl")
_METRICS = ("nrmse", "psnr", "ssim", "hfen", "dice", "xsim", "ssim_fastmri")
_VARIABLES = re.compile(
    "(CUDA|CUDNN|CUBLAS|NVIDIA|NCCL|OMP|KMP|GOMP|MKL|ONEDNN|DNNL|OPENBLAS|NPY|TORCH|PYTORCH|ATEN"
    "|TORCHINDUCTOR|TRITON)_.*|PYTHONHASHSEED|GLIBC_TUNABLES"
)
_SECRET = re.compile(".*(TOKEN|SECRET|PASSWORD|CREDENTIAL|API_KEY).*")


class RecorderError(ValueError):
    """The recorder cannot begin: the message says what is wrong and what to do."""


class Recorder:
    """Writes the run folder of a training.

    Args:
        folder: of the run; made where it is absent.
        model: network; its parameters and buffers are digested. Wrappers (DistributedDataParallel,
            DataParallel, torch.compile) do not change the names.
        optimizer: its class and settings are recorded; may be a list, or be left out.
        config: settings of the training, such as ``vars(args)``; what is no JSON becomes text.
        loader: the training's DataLoader, whose workers, sampler and seeds are recorded.
        name: of the experiment, one word.
        every: record the first step and every `every`-th one.
        leaves: whether each parameter and gradient gets a digest of its own.
        trace_at: steps at which every operation is recorded, with digests of what went in and came
            out; needs torch 2.1. Operations inside a graph of torch.compile are not seen.
        values_of: with `trace_at`, operations whose tensors are written whole: their numbers, which
            are their lines in the trace, or names of modules, for what a module is given and makes.
        steps_done: updates taken before, when the script resumes from its own checkpoint: the
            records of later steps are cut off and written again.

    Raises:
        RecorderError: the folder cannot be written, or holds a finished run, a run with other
            settings, or records that end before `steps_done`.
    """

    def __init__(
        self,
        folder,
        model,
        optimizer=None,
        *,
        config=None,
        loader=None,
        name="training",
        every=1,
        leaves=False,
        trace_at=(),
        values_of=(),
        steps_done=0,
    ):
        """Open the folder; see the class."""
        if every < 1 or steps_done < 0:
            raise RecorderError("every must be at least 1 and steps_done at least 0; correct them")
        if values_of and not trace_at:
            raise RecorderError("values_of is given without trace_at; expected the step; add it")
        lazy = getattr(torch.nn.parameter, "UninitializedTensorMixin", ())
        if any(isinstance(leaf, lazy) for _, leaf in model.named_parameters()):
            raise RecorderError(
                "model has lazy parameters without a shape; expected all of them; run one batch "
                "before the recorder begins"
            )
        self.folder = Path(folder)
        self.steps_done = steps_done
        self._model, self._every, self._leaves, self._name = model, every, leaves, name
        self._team = _Team()
        self._notes, self._metrics, self._pending, self._tracer = [], {}, None, None
        self._trace_at, self._values_of, self._trace = set(trace_at), set(values_of), None
        self._began, self._broken = time.perf_counter(), not self._team.first
        self._config = _plain(_settings(config))
        if self._team.first:
            self._open(optimizer, loader)
        self._begin_trace()

    # What a script calls.

    def step(self, loss, batch=None):
        """Record one update; call it after ``optimizer.step()`` and before ``zero_grad()``.

        Args:
            loss: of this step; a tensor of one element or a number.
            batch: what the step was given: a tensor, or lists, tuples, dictionaries and objects of
                tensors, numbers and text. With gradient accumulation, the list of its
                micro-batches. A note says so where something in it has no digest.
        """
        self.steps_done += 1
        if self._tracer is not None and self._trace is None:  # under another mode until now
            self._leave_mode()
        self._end_trace()
        self._record(loss, batch)
        self._begin_trace()

    def _record(self, loss, batch):
        if self.steps_done != 1 and self.steps_done % self._every:
            return
        if self._broken and self._team.size == 1:  # other processes wait for this one's digests
            return
        with torch.no_grad():
            evidence = self._evidence(loss, batch)
        self._write_pending()
        self._pending = evidence
        if evidence["digests"].device.type == "cpu":  # nothing to wait for
            self._write_pending()

    def metrics(self, **values):
        """Record metrics that hold after the present step, such as ``ssim=0.91``."""
        plain = {name: self._number(name, value) for name, value in values.items()}
        self._metrics.update(plain)
        self._append("metrics.jsonl", {"step": self.steps_done, **plain})

    def _number(self, name, value):
        """Return a number; NaN, with a note, for what is none."""
        one = "expected a number or a tensor of one element"
        try:
            number, size = _number(value), value.numel() if torch.is_tensor(value) else 1
        except Exception:
            kind = type(value).__qualname__
            self.note(f"{name} is {kind}; {one}; NaN is recorded; give the number itself")
            return math.nan
        if size > 1:
            self.note(
                f"{name} has {size} elements; {one}; their mean is recorded; give it yourself"
            )
        return number

    def note(self, text):
        """Record a remark, and say it once on stderr."""
        if text in self._notes:
            return
        self._notes.append(text)
        if self._team.first:
            sys.stderr.write(f"note: recorder: {text}\n")
            self._guard(self._write_environment)

    def finish(self, **metrics):
        """Record that the training is whole; call it once, after the last step.

        Args:
            metrics: final ones, as for `metrics`.
        """
        self._stop_trace()  # a step was to be traced that never came
        if metrics:
            self.metrics(**metrics)
        self._write_pending()
        self._guard(self._write_result)

    # Opening.

    def _open(self, optimizer, loader):
        record = {"config": self._config, "name": self._name}
        digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
        self._digest = digest
        named = {"schema_version": 1, "digest": digest, "config": self._config}
        self._environment = _environment(self._model, optimizer, loader, self._team)
        self._environment["start"] = {"init": self._content(_named_parameters(self._model))}
        try:
            self._check_folder(digest)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._keep_or_cut()
            self._write_environment()
            _write_json(self._path("config.json"), named)
        except OSError as error:
            raise RecorderError(
                f"{self.folder} cannot be read or written ({error.strerror}); expected a folder "
                "open to you; choose another"
            ) from error

    def _check_folder(self, digest):
        if self._path("result.json").exists():
            raise RecorderError(
                f"{self.folder} holds a finished run; expected a new folder; choose another"
            )
        old = _read_json(self._path("config.json"))
        if old is not None and old.get("digest") != digest:
            raise RecorderError(
                f"{self.folder} holds a run with other settings; expected the same; choose another "
                "folder"
            )

    def _keep_or_cut(self):
        """Go on behind `steps_done`, or put what an interrupted run left out of the way."""
        ledger = self._path("ledger.jsonl")
        if not ledger.exists():
            if self.steps_done:
                raise RecorderError(
                    f"{ledger} does not exist, so no step up to {self.steps_done} is recorded; "
                    "expected the folder of the run that is resumed"
                )
            return
        if not self.steps_done:
            return self._put_away()
        lines, _, metrics, _ = [_cut(self._path(name), self.steps_done) for name in _LOGS]
        for line in metrics:  # those of the result are the last ones, whenever they were given
            self._metrics.update((name, line[name]) for name in line if name != "step")
        due = self.steps_done - self.steps_done % self._every
        if not lines or lines[-1]["step"] < due - self._every:
            raise RecorderError(
                f"{ledger} ends before step {self.steps_done}; expected records up to the "
                "checkpoint; resume from an earlier checkpoint or begin again"
            )
        self._continue(_read_json(self._path("environment.json")))
        if lines[-1]["step"] < due:  # on a GPU a line is written one step late
            self.note(f"step {due} is not recorded: the process ended before")
        if lines[-1]["step"] == self.steps_done and lines[-1]["params"] != _hex(self._state()[0]):
            self.note(
                f"resumed at step {self.steps_done} with other parameters than recorded there"
            )

    def _continue(self, old):
        """Keep the environment in which the run began; add the present one where it differs."""
        if old is None:
            raise RecorderError(
                f"{self.folder} has no environment.json; expected that of the run that is resumed; "
                "restore it or begin again in a new folder"
            )
        new, self._environment = self._environment, old
        self._notes = list(old["backend"]["notes"])
        before = [old, *old.get("resumed_with", [])][-1]
        if _lasting(before) != _lasting(new):
            old.setdefault("resumed_with", []).append(new)

    def _put_away(self):
        number = 1
        while self._path(f"interrupted-{number}").exists():
            number += 1
        target = self._path(f"interrupted-{number}")
        target.mkdir()
        for path in list(self.folder.iterdir()):
            if not path.name.startswith("interrupted-"):
                path.replace(target / path.name)
        sys.stderr.write(f"note: recorder: records of an unfinished run are in {target}\n")

    # Evidence of a step.

    def _state(self):
        return self._digest_of("parameters are", lambda: _named_state(self._model))

    def _digest_of(self, what, leaves):
        """Return the digests of leaves and of their kinds; 0, which says that there is none."""
        try:
            found = leaves()
            return fingerprint(found), kinds(found)
        except Exception as error:
            self.note(f"the {what} not recorded: {_one_line(error)}")
            return torch.zeros((), dtype=torch.int64), 0

    def _content(self, leaves):
        try:
            return content(leaves)
        except Exception as error:
            self._notes.append(f"parameters have no digest: {_one_line(error)}")
            sys.stderr.write(f"note: recorder: {self._notes[-1]}\n")
            return content({})

    def _evidence(self, loss, batch):
        grads = _named_gradients(self._model)
        if not grads:
            self.note("no gradients at a step: call step before zero_grad")
        flat = functools.partial(self._flat, batch)
        found = [self._state(), self._digest_of("gradients are", lambda: grads)]
        found.append(self._digest_of("batch is", flat))
        device = _device(self._model)
        digests = [digest.to(device) for digest, _ in found]
        digests += _int64([kind for _, kind in found]).to(device)
        return {
            "step": self.steps_done,
            "loss": loss.detach().clone() if torch.is_tensor(loss) else loss,
            "digests": self._team.gather(torch.stack(digests)),
            "leaves": self._per_leaf(grads) if self._leaves else None,
            "rng": _random_states(),
        }

    def _flat(self, batch):
        return {self._team.prefix + name: leaf for name, leaf in _flat(batch).items()}

    def _per_leaf(self, grads):
        found = {"params": {}, "grads": {}}
        for kind, tensors in (("params", _named_state(self._model)), ("grads", grads)):
            for name, leaf in tensors.items():
                try:
                    found[kind][name] = fingerprint({name: leaf})
                except Exception as error:
                    self.note(f"{kind} {name} is not recorded: {_one_line(error)}")
        return found

    def _write_pending(self):
        """Write the line of the step before: one step late, so that a GPU is never waited for."""
        found, self._pending = self._pending, None
        if found is None or self._broken:
            return
        step, loss = found["step"], self._number("loss", found["loss"])
        digests, shaped = self._together(step, found["digests"].tolist())
        line = {"step": step, "loss": loss, "loss_hex": loss.hex(), **digests}
        self._append("ledger.jsonl", {**line, "kinds": shaped, "rng": found["rng"]})
        seconds = time.perf_counter() - self._began
        self._append("timing.jsonl", {"step": step, "seconds": seconds})
        if found["leaves"] is not None:
            self._append("leaves.jsonl", dict(_hexed(found["leaves"]), step=step))

    def _together(self, step, rows):
        """Return the digests of all processes as one, of values and of kinds.

        The processes must agree, but their batches add up.
        """
        for place, name in enumerate(("params", "grads")):
            if len({(row[place], row[3 + place]) for row in rows}) > 1:
                self.note(f"the processes do not agree on {name} at step {step}")
        together = []
        for values in ([row[:3] for row in rows], [row[3:] for row in rows]):
            params, grads, _ = values[0]
            batches = [batch for _, _, batch in values]
            found = {"params": params, "grads": grads, "batch": sum(batches) if all(batches) else 0}
            together.append({name: _hex64(value) for name, value in found.items()})
        return together

    # Traces.

    def _begin_trace(self):
        """Record the operations of the next step if that was asked for."""
        if self.steps_done + 1 not in self._trace_at or not self._team.first:
            return
        try:
            from torch.utils._python_dispatch import TorchDispatchMode

            torch._C._current_autograd_node()
            self._trace = _Trace(self._model, self._values_of)
            self._tracer = _tracer(TorchDispatchMode, self._trace)
        except (ImportError, AttributeError):
            self.note(f"torch {torch.__version__} cannot trace operations; torch 2.1 can")

    def _stop_trace(self):
        """Return lines and values of the step that is traced; None if none is."""
        trace, self._trace = self._trace, None
        if trace is None:
            return None
        trace.over = True
        self._leave_mode()
        found = trace.end()
        for text in trace.failures:
            self.note(text)
        return found

    def _leave_mode(self):
        """Switch the tracer off, unless another mode was switched on inside of it and still is."""
        from torch.utils import _python_dispatch

        tracer = self._tracer
        top = getattr(_python_dispatch, "_get_current_dispatch_mode", lambda: tracer)()
        if tracer is not None and top is tracer:
            tracer.__exit__(None, None, None)
            self._tracer = None
        else:
            self.note("a mode of torch that began during a trace goes on; the trace ends under it")

    def _end_trace(self):
        traced = self._stop_trace()
        if traced is None:
            return
        found, values = traced
        lines, step = "".join(map(_line, found)), f"{self.steps_done:06d}"
        self._guard(lambda: _write_text(self._path(f"trace-{step}.jsonl"), lines))
        for number, tensors in values.items():
            path = self._path(f"values-{step}-{number:06d}.npz")
            self._guard(functools.partial(_write_values, path, tensors))

    # Writing.

    def _path(self, name):
        return self.folder / name

    def _append(self, name, record):
        self._guard(lambda: _append(self._path(name), record))

    def _guard(self, write):
        """Write, unless writing has failed before; a failure ends the record, not the training."""
        if self._broken:
            return
        try:
            write()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error):
        self._broken = True
        sys.stderr.write(
            f"note: recorder: {self.folder} cannot be written ({error.strerror}); the record ends "
            f"about step {self.steps_done}, the training goes on\n"
        )

    def _write_environment(self):
        self._environment["backend"]["notes"] = list(self._notes)
        _write_json(self._path("environment.json"), self._environment)

    def _write_result(self):
        batches = [int(line["batch"], 16) for line in _lines(self._path("ledger.jsonl"))]
        batches = batches if all(batches) else []  # 0: what a step was given was not recorded
        known = _finite(self._metrics)
        named = {k: known[k] for k in _METRICS if known.get(k) is not None}
        subjects = ["all"] if named else []
        nothing = content({})
        _write_json(
            self._path("result.json"),
            {
                "schema_version": 1,
                "experiment": self._name,
                "framework": "pytorch",
                "level": _level(self._environment),
                "steps": self.steps_done,
                "subjects": subjects,
                "metrics": {name: [value] for name, value in named.items()},
                "baselines": {},
                "digests": {
                    "init": self._environment["start"]["init"],
                    "order": content({"batches": _int64(batches)}) if batches else nothing,
                    "data": content({"batches": _int64(sorted(batches))}) if batches else nothing,
                    "params": self._content(_named_state(self._model)),
                    "predictions": nothing,
                },
                "seconds": {
                    "setup": 0.0,
                    "compile": 0.0,
                    "train": time.perf_counter() - self._began,
                    "infer": 0.0,
                },
                "memory_bytes": _memory(self._model),
                "config": self._digest,
                "extra": {"recorder": 1, "every": self._every, "metrics": known},
            },
        )


def lightning_callback(folder, **settings):
    """Return a callback for a Lightning ``Trainer`` that records its training.

    Args:
        folder: as for `Recorder`.
        settings: further arguments of `Recorder`.
    """
    for package in ("lightning.pytorch", "pytorch_lightning"):
        try:
            base = __import__(package, fromlist=["Callback"]).Callback
            break
        except ImportError:
            continue
    else:
        raise RecorderError("neither lightning nor pytorch_lightning is installed; install one")

    class RecorderCallback(base):
        def on_train_start(self, trainer, pl_module):
            self.done = trainer.global_step
            optimizer = trainer.optimizers[0] if trainer.optimizers else None
            self.record = Recorder(folder, pl_module, optimizer, steps_done=self.done, **settings)

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, *place):
            if trainer.global_step > self.done:  # not so while gradients are accumulated
                self.done = trainer.global_step
                loss = outputs["loss"] if isinstance(outputs, dict) else outputs
                self.record.step(math.nan if loss is None else loss, batch)

        def on_validation_epoch_end(self, trainer, pl_module):
            found = trainer.callback_metrics
            if found and hasattr(self, "record"):
                self.record.metrics(**{str(name): value for name, value in found.items()})

        def on_train_end(self, trainer, pl_module):
            self.record.finish()

    return RecorderCallback()


# Digests, by the rules of mrjax/runs/digests.py.


def fingerprint(leaves):
    """Return the 64-bit digest of named tensors as an int64 scalar where they are.

    The sum over all elements of a mixture of name, place and bits, modulo 2^64.

    Args:
        leaves: {name: tensor of numbers or bools}.
    """
    bits = {name: _bits(leaf) for name, leaf in leaves.items()}
    host = {name: leaf for name, leaf in bits.items() if leaf.device.type == "cpu"}
    parts = []
    if host and _compiled() is not None:
        parts.append(_int64([_summed(host)]).sum())
        bits = {name: leaf for name, leaf in bits.items() if name not in host}
    together = collections.OrderedDict()
    for name, leaf in bits.items():
        if leaf.numel() <= _SMALL:
            together.setdefault((leaf.dtype, leaf.device), []).append((name, leaf))
        else:
            parts.append(_mixed(leaf, None, _seed(name)))
    for (_, device), group in together.items():
        sizes = tuple((name, leaf.numel()) for name, leaf in group)
        joined = torch.cat([leaf for _, leaf in group])
        parts.append(_mixed(joined, _offsets(sizes, str(device)), 0))
    if not parts:
        return torch.zeros((), dtype=torch.int64)
    return torch.stack([part.to(parts[-1].device) for part in parts]).sum()


def kinds(leaves):
    """Return a 64-bit digest of names, types and shapes, which a digest of values does not tell.

    The sum, modulo 2^64, of the seeds of texts such as ``batch/image float32[2,1,8,8]``.

    Args:
        leaves: {name: tensor}.
    """
    return sum(_kind(name, leaf.dtype, leaf.shape) for name, leaf in leaves.items()) % (1 << 64)


@functools.lru_cache(maxsize=10_000)
def _kind(name, dtype, shape):
    return _seed(f"{name} {_typed(dtype, shape)}")


def _typed(dtype, shape):
    """Return type and shape such as ``float32[2,8]``."""
    return f"{str(dtype)[6:]}[{','.join(map(str, shape))}]"


def content(leaves):
    """Return the sha256 over names, types, shapes and elements of named tensors, 64 hex digits."""
    total = hashlib.sha256()
    for name in sorted(leaves, key=lambda name: name.encode()):
        leaf = _dense(leaves[name]).cpu().contiguous()
        leaf = leaf.resolve_conj() if leaf.is_complex() else leaf
        shape = ",".join(str(length) for length in leaf.shape)
        total.update(f"{name}\n{str(leaf.dtype)[6:]}\n{shape}\n".encode())
        total.update(ctypes.string_at(leaf.data_ptr(), leaf.numel() * leaf.element_size()))
    return total.hexdigest()


def _bits(leaf):
    """Bits of the elements, flat in C order, as integers of the elements' own width."""
    leaf = _dense(leaf)
    if leaf.is_complex():
        leaf = torch.view_as_real(leaf.resolve_conj())
    if leaf.dtype == torch.bool:
        leaf = leaf.to(torch.uint8)
    return leaf.contiguous().reshape(-1).view(_INTEGERS[leaf.element_size()])


def _dense(leaf):
    """Return a tensor whose elements lie in memory.

    Raises:
        _NotRecorded: they do not.
    """
    if _opaque(leaf):
        raise _NotRecorded(f"{type(leaf).__name__} of {leaf.dtype} shows no values")
    leaf = leaf.detach()
    return leaf if leaf.layout == torch.strided else leaf.to_dense()


def _opaque(leaf):
    """Whether reading the memory of a tensor would fail, or end the process."""
    if type(leaf) in (torch.Tensor, torch.nn.Parameter):
        wrapped = getattr(
            getattr(torch._C, "_functorch", None), "is_functorch_wrapped_tensor", None
        )
        hidden = wrapped is not None and wrapped(leaf)
    else:  # such as two tensors in one, or one without values
        own = getattr(type(leaf), "__torch_dispatch__", None)
        hidden = own is not getattr(torch.Tensor, "__torch_dispatch__", None)
    return hidden or leaf.device.type == "meta" or leaf.is_nested or leaf.is_quantized


def _address(leaf):
    """Return where a tensor lies in memory; None where it has no one place."""
    strided = not _opaque(leaf) and leaf.layout == torch.strided
    return leaf.data_ptr() if strided else None


_C = """
#include <stdint.h>
#define SUM(name, type) \\
uint64_t name(const type *bits, uint64_t n, uint64_t first, uint64_t seed) { \\
  uint64_t total = 0; \\
  for (uint64_t i = 0; i < n; i++) { \\
    uint64_t z = seed + (first + i) * 0x9E3779B97F4A7C15ULL + bits[i] * 0xD1342543DE82EF95ULL; \\
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL; \\
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL; \\
    total += z ^ (z >> 31); \\
  } \\
  return total; \\
}
SUM(sum1, uint8_t) SUM(sum2, uint16_t) SUM(sum4, uint32_t) SUM(sum8, uint64_t)
"""
"""The sum of `_mixed` in C: on a processor eight times as fast as torch's operations."""


@functools.lru_cache(maxsize=1)
def _compiled():
    """Return {bytes of an element: the sum in C}; None where no C compiler is installed."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or os.name != "posix":
        return None
    folder = tempfile.mkdtemp(prefix="recorder-")
    try:
        source, library = Path(folder, "sum.c"), Path(folder, "sum.so")
        source.write_text(_C)
        words = [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source]
        subprocess.run(
            [str(word) for word in words],
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        loaded = ctypes.CDLL(str(library))
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = {width: getattr(loaded, f"sum{width}") for width in _INTEGERS}
    for function in found.values():
        function.restype = ctypes.c_uint64
        function.argtypes = [ctypes.c_void_p] + [ctypes.c_uint64] * 3
    known = torch.tensor([1.0, -2.5]).view(torch.int32)
    right = found[4](known.data_ptr(), 2, 0, _seed("w")) == 0xFE1F09E5EA221986
    return found if right else None


@functools.lru_cache(maxsize=4)
def _threads(number, process):  # threads do not live on in a forked process
    return concurrent.futures.ThreadPoolExecutor(number)


def _summed(bits):
    """Return the sum of mixed elements of tensors of the processor, in as many threads as torch."""
    number, tasks = torch.get_num_threads(), []
    for name, leaf in bits.items():
        part = max(1 << 16, -(-leaf.numel() // number))
        for first in range(0, leaf.numel(), part):
            length, where = min(part, leaf.numel() - first), first * leaf.element_size()
            place = leaf.data_ptr() + where
            tasks.append((leaf.element_size(), place, length, first, _seed(name)))
    functions = _compiled()

    def sums(mine):
        return sum(functions[width](*arguments) for width, *arguments in mine)  # pyright: ignore

    return sum(_threads(number, os.getpid()).map(sums, [tasks[i::number] for i in range(number)]))


def _mixed(bits, offsets, start):
    """Return the sum of mixed elements; without offsets, of a leaf whose seed is `start`."""
    block = _BLOCK.get(bits.device.type, 1 << 20)
    total = torch.zeros((), dtype=torch.int64, device=bits.device)
    value = torch.empty(min(block, bits.numel()), dtype=torch.int64, device=bits.device)
    shifted = torch.empty_like(value)
    places = _places(0 if offsets is not None else value.numel(), str(bits.device))
    for first in range(0, bits.numel(), block):
        part = bits[first : first + block]
        v, s = value[: part.numel()], shifted[: part.numel()]
        v.copy_(part)
        if part.dtype in (torch.int16, torch.int32):  # undo the extension of the sign
            v &= (1 << 8 * part.element_size()) - 1
        v *= _signed(_BITS_FACTOR)
        if offsets is None:
            v += places[: part.numel()]
            v += _signed(start + first * _INDEX_FACTOR)
        else:
            v += offsets[first : first + block]
        for bits_right, factor in _MIX:
            v ^= _logical_shift(v, bits_right, s)
            v *= _signed(factor)
        total += v.bitwise_xor_(_logical_shift(v, _MIX_LAST, s)).sum()
    return total


@functools.lru_cache(maxsize=32)
def _offsets(sizes, device):
    """Seed of the name plus the weighted place, for leaves that lie one after the other."""
    parts = [_places(size, device) + _signed(_seed(name)) for name, size in sizes]
    return torch.cat(parts)


@functools.lru_cache(maxsize=256)
def _places(size, device):
    return torch.arange(size, device=device).mul_(_signed(_INDEX_FACTOR))


def _logical_shift(value, places, out):
    torch.bitwise_right_shift(value, places, out=out)
    return out.bitwise_and_((1 << (64 - places)) - 1)


def _seed(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _signed(value):
    """Return the signed integer of the same 64 bits."""
    value %= 1 << 64
    return value - (1 << 64) if value >= 1 << 63 else value


def _hex64(value):
    return f"{int(value) % (1 << 64):016x}"


def _hex(digest):
    return _hex64(digest.item())


def _hexed(tree):
    if isinstance(tree, dict):
        return {name: _hexed(part) for name, part in tree.items()}
    return _hex(tree)


def _int64(values):
    return torch.tensor([_signed(value) for value in values], dtype=torch.int64)


# Named tensors.


def _plain_name(name):
    """Return a name without what DistributedDataParallel and torch.compile put into it."""
    return _WRAPPERS.sub("", name).lstrip(".")


def _named_parameters(model):
    return _named(model, model.named_parameters())


def _named_state(model):
    return _named(model, [*model.named_parameters(), *model.named_buffers()])


def _named(model, leaves):
    """Return leaves by plain name; by their full names if a plain name would be that of two."""
    full = [name for name, _ in [*model.named_parameters(), *model.named_buffers()]]
    if len({_plain_name(name) for name in full}) < len(full):
        return dict(leaves)
    return {_plain_name(name): leaf for name, leaf in leaves}


def _named_gradients(model):
    found = {name: leaf.grad for name, leaf in _named_parameters(model).items()}
    return {name: grad for name, grad in found.items() if grad is not None}


def _device(model):
    return next((leaf.device for leaf in model.parameters()), torch.device("cpu"))


class _NotRecorded(Exception):
    """Something has no digest; the message says what."""


_TEXT = (
    str, bytes, bytearray, bool, int, float, complex, range, slice, type, enum.Enum, os.PathLike,
    torch.dtype, torch.device, torch.layout, torch.memory_format,
)  # fmt: skip
"""Types whose description says all about them."""
_MOST_OBJECTS = 10_000
"""Objects of a batch whose attributes are digested: one may refer to a whole data set."""


def _flat(value, name="batch", above=(), seen=None):
    """Return the tensors in nested containers and objects by path; other values as digests.

    Args:
        value: a tensor, a container, an object with attributes, a number, text.
        name: its path.
        above: identities of what it lies in.
        seen: counts the objects.

    Raises:
        _NotRecorded: there is something that cannot be digested.
    """
    if isinstance(value, weakref.ref):
        value = value()
    if torch.is_tensor(value) or value is None:
        return {} if value is None else {name: value}
    if isinstance(value, torch.Generator):
        return {name: value.get_state()}
    if id(value) in above:  # it contains itself
        return {f"{name}=({above[::-1].index(id(value)) + 1} above)": torch.zeros(1)}
    items = _items(value)
    if items is None:
        seen = [] if seen is None else seen
        seen.append(name)
        items = _attributes(value)
        if items is None or len(seen) > _MOST_OBJECTS:
            return _leaf(value, name)
    flat = {}
    for key, part in items:
        for path, leaf in _flat(part, f"{name}/{key}", (*above, id(value)), seen).items():
            while path in flat:  # such as the keys 1 and "1"
                path += "'"
            flat[path] = leaf
    return flat


def _items(value):
    """Return (key, part) of each part of a container; None of what is none."""
    if isinstance(value, collections.abc.Mapping):
        return [(str(key), part) for key, part in value.items()]
    if isinstance(value, (set, frozenset)):  # their order is another in each process
        value = sorted(value, key=repr)
    if isinstance(value, (list, tuple, collections.deque)):
        return [(str(place), part) for place, part in enumerate(value)]
    return None


def _attributes(value):
    """Return name and value of each attribute of an object; None where there are none to read."""
    if isinstance(value, (*_TEXT, types.ModuleType, types.FunctionType, types.MethodType)):
        return None
    if hasattr(type(value), "__array__") or hasattr(type(value), "__array_interface__"):
        return None
    kind, found = type(value), {}
    names: list = list(getattr(kind, "__dataclass_fields__", ()))
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            private = slot.startswith("__") and not slot.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{slot}" if private else slot)
    for name in names:
        if name not in ("__dict__", "__weakref__") and hasattr(value, name):
            found[name] = getattr(value, name)
    found.update(getattr(value, "__dict__", {}))
    return list(found.items()) or None


def _leaf(value, name):
    """Return an array as a tensor; what has no numbers as a part of the name."""
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        try:
            array = value
            if not hasattr(value, "__array__"):  # such as an image
                array = sys.modules["numpy"].asarray(value)
            return {name: torch.as_tensor(array)}
        except (TypeError, ValueError, RuntimeError, KeyError):  # such as an array of text
            if not hasattr(value, "tolist"):
                value = value.__array__()
            kind, value = getattr(value, "dtype", None), value.tolist()
            if getattr(kind, "kind", "") == "O":
                return _flat(value, name)
    elif isinstance(value, (types.FunctionType, types.MethodType)):
        inner = getattr(value, "__func__", value)
        if inner is value and value.__closure__ is None and value.__defaults__ is None:
            return {f"{name}=<function {value.__qualname__}>": torch.zeros(1)}
        raise _NotRecorded(f"{name} is a function that holds other values")
    text = repr(value)
    if " at 0x" in text or (not isinstance(value, (*_TEXT, list)) and "..." in text):
        raise _NotRecorded(f"{name} is {type(value).__qualname__}, which shows no values")
    return {f"{name}={text}": torch.zeros(1)}


# Operations.

_TORCH = str(Path(torch.__file__).parent)
_UNSET = re.compile(r"aten\.(new_)?empty|aten\.resize_|aten\.set_")
"""Operations whose results hold whatever was in the memory."""


class _Trace:
    """What is recorded of one step: operations, outputs and gradients of modules, values.

    Args:
        model: the network, whose modules are named.
        values_of: numbers of operations and names of modules whose values are kept.
    """

    def __init__(self, model, values_of):
        self.found, self.values, self.modules, self.nodes = [], {}, [], {}
        self.unset, self.known, self.quiet = set(), set(), set()
        self.process, self.failures, self.over = os.getpid(), [], False
        self.numbers = {one for one in values_of if isinstance(one, int)}
        self.names = {one for one in values_of if isinstance(one, str)}
        self.owners, self.grads = _owners(model), None
        self.outline = _Outline(self, model)

    def end(self):
        """Return the lines of the trace and {number of a line: {name: tensor}}."""
        self.outline.end()
        return self.found, self.values

    def operation(self, function, args, kwargs):
        """Run an operation and record it."""
        thread = threading.get_ident()
        if thread in self.quiet or self.over or os.getpid() != self.process:
            return function(*args, **kwargs)
        name, values = str(function), [*args, *kwargs.values()]
        before = self.attempt(self.before, function, args, kwargs)
        result = function(*args, **kwargs)
        self.attempt(self.after, function, name, values, before, result, args, kwargs)
        return result

    def attempt(self, act, *args):
        """Call a part of the recorder, whose failure must not end the training."""
        try:
            return act(*args)
        except Exception as error:
            self.failures.append(f"an operation is not recorded: {_one_line(error)}")
            return None

    def before(self, function, args, kwargs):
        """Return what is known before an operation runs."""
        values = [*args, *kwargs.values()]
        given = _digests(args, self.unset)
        for key in sorted(set(kwargs) - {"device", "pin_memory"}):  # these may be others
            given += [(f"{key}=", ""), *_digests([kwargs[key]], self.unset)]
        keep = len(self.found) + 1 in self.numbers
        kept = _cloned("given", _tensors(values)) if keep else {}
        read = self.first_read(values)
        own = [_short(one.get_state()) for one in values if isinstance(one, torch.Generator)]
        drawn = " ".join(own) or _state(_random_states() if _draws(function) else {})
        return given, kept, read, drawn

    def after(self, function, name, values, before, result, args, kwargs):
        """Record an operation that has run."""
        given, kept, read, state = before or ([(_NO_DIGEST, "")], {}, {}, None)
        tensors = _made(function, result, args, kwargs)
        places = {_address(one) for one in tensors} - {None}
        self.unset = self.unset | places if _UNSET.match(name) else self.unset - places
        if tensors and not _UNSET.match(name):
            phase, module, line = self.place(tensors + _tensors(values))
            self.add(phase, module, name, line, given, tensors, state, read, kept)

    def add(self, phase, module, op, line, given, tensors, state, read=None, kept=None):
        """Append a line.

        Args:
            phase: of the step.
            module: path in the network.
            op: name of the operation.
            line: of the script.
            given: what went in, from `_digests`.
            tensors: that came out.
            state: of the generators of random numbers.
            read: evidence of tensors that no operation made.
            kept: the values that went in, if they are wanted.
        """
        made = [text for text, _ in _digests(tensors)]
        self.known.update(set(made) - {_NO_DIGEST})
        known = [_evidence(one) for one in tensors]
        types, samples, sums = [[one[part] for one in known] for part in range(3)]
        entry = {"step": len(self.found), "phase": phase, "module": module, "op": op}
        entry.update(line=line, given=[text for text, _ in given], made=made, random=state)
        entry.update(given_types=[kind for _, kind in given], types=types)
        entry.update(samples=samples, sums=sums)
        self.found.append(entry if not read else dict(entry, read=read))
        number = len(self.found)
        if number in self.numbers or (op in _OUTLINE and module in self.names):
            self.values[number] = dict(kept or {}, **_cloned("made", tensors))

    def first_read(self, values):
        """Return evidence of tensors that no operation made before and none has read."""
        read = {}
        for value in _tensors(values):
            if value.device.type != "meta" and _address(value) not in self.unset:
                digest = _text(value)
                if digest != _NO_DIGEST and digest not in self.known:
                    read[digest] = _evidence(value)
        self.known.update(read)
        return read

    def place(self, tensors):
        """Return phase, module and line of the script: backward, those of the forward pass."""
        node = torch._C._current_autograd_node()
        if node is not None:
            module, line = self.nodes.get(node._sequence_nr(), ("", ""))
            return "backward", module, line
        phase, line = _script_line()
        module = self.modules[-1] if self.modules else ""
        if phase == "forward":
            number = torch._C._autograd._get_sequence_nr() - 1  # pyright: ignore
            self.nodes.setdefault(number, (module, line))
            return phase, module, line
        return phase, self.owner(tensors), line

    def owner(self, tensors):
        """Return the module whose parameter or gradient is among the tensors; "" if not one."""
        if self.grads is None:
            self.grads = {
                _address(leaf.grad): name for leaf, name in self.owners if leaf.grad is not None
            }
            self.grads.update({_address(leaf): name for leaf, name in self.owners})
            self.grads.pop(None, None)
        names = {self.grads[x] for x in map(_address, tensors) if x in self.grads}
        return names.pop() if len(names) == 1 else ""

    def silently(self, act, *args):
        """Call a function of the recorder, whose own operations are not recorded."""
        if os.getpid() != self.process:  # a worker, forked during the step
            return None
        thread = threading.get_ident()
        self.quiet.add(thread)
        try:
            with torch.no_grad():
                return self.attempt(act, *args)
        finally:
            self.quiet.discard(thread)


def _tracer(base, trace):
    """Return a mode, switched on, that records every operation of torch.

    Args:
        base: ``TorchDispatchMode``.
        trace: what it records into.
    """

    class Tracer(base):
        supports_higher_order_operators = True

        @classmethod
        def ignore_compile_internals(cls):
            """Whether torch.compile goes on compiling: else it runs eagerly, with other bits."""
            return True

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            return trace.operation(function, args, kwargs or {})

    tracer = Tracer()
    tracer.__enter__()
    return tracer


_OUTLINE = ("module.output", "module.gradient", "module.parameters")
"""Lines about modules: what a forward pass made, and the gradients of its inputs and parameters."""


class _Outline:
    """Records outputs and gradients of the modules of a network, by hooks that change nothing.

    Gradients are seen by hooks of tensors: torch's own hooks for gradients of modules put
    operations into the graph and forbid operations in place behind a module.
    """

    def __init__(self, trace, model):
        self.trace, self.hooks, self.calls, self.states = trace, [], [], {}
        self.leaves, owners = {}, collections.Counter()
        modules = [(_plain_name(n + ".").strip("."), one) for n, one in model.named_modules()]
        for name, module in modules:
            for _, leaf in module.named_parameters(recurse=False):
                owners[id(leaf)] += 1
                self.leaves.setdefault(name, []).append(leaf)
            self._watch(name, module)
        self.gradients = {}
        for leaf in {id(one): one for own in self.leaves.values() for one in own}.values():
            if leaf.requires_grad and owners[id(leaf)] == 1:
                arrive = functools.partial(self._silently, self._parameter, leaf)
                self.hooks.append(leaf.register_hook(arrive))

    def end(self):
        """Write the gradients that are left, and take the hooks away."""
        for hook in self.hooks:
            hook.remove()
        for call in self.calls:
            self.trace.silently(self._write_gradient, call)
        for name, leaves in self.leaves.items():
            self.trace.silently(self._write_parameters, name, leaves)

    def _silently(self, act, *args):
        self.trace.silently(act, *args)  # returns nothing: what a hook returns would be put in

    def _watch(self, name, module):
        if isinstance(module, torch.jit.ScriptModule):
            return

        def enter(_, args, kwargs):
            if torch.compiler.is_compiling():  # a compiled graph must stay as it is
                return
            self.trace.modules.append(name)
            self._silently(self._enter, name, module, [*args, *kwargs.values()])

        def leave(_, args, result):
            if torch.compiler.is_compiling():
                return
            self.trace.modules.pop()
            self._silently(self._leave, result)

        self.hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        self.hooks.append(module.register_forward_hook(leave))

    def _enter(self, name, module, values):
        tensors = _tensors(values)
        wanted = name in self.trace.names
        call = {"module": name, "line": _script_line()[1], "open": True, "wanted": wanted}
        call.update(given=[*_digests(values, self.trace.unset), self._state_of(name, module)])
        call.update(random=_random_states(), kept=_cloned("given", tensors) if wanted else {})
        call.update(outputs=[], inputs=self._follow(call, "inputs", tensors))
        self.calls.append(call)

    def _leave(self, result):
        call = next(one for one in reversed(self.calls) if one["open"])
        tensors, after = _tensors([result]), _random_states()
        drew = after != call["random"]
        phase = "forward" if torch._C._current_autograd_node() is None else "backward"
        state = _state(call["random"]) if drew else None
        place = (phase, call["module"], "module.output", call["line"])
        self.trace.add(*place, call["given"], tensors, state, None, call["kept"])
        call.update(open=False, outputs=self._follow(call, "outputs", tensors))

    def _follow(self, call, kind, tensors):
        """Ask for the gradients of tensors; return where they will be put."""
        slots = [None for one in tensors if one.requires_grad]
        for slot, tensor in enumerate(one for one in tensors if one.requires_grad):
            tensor.register_hook(functools.partial(self._silently, self._arrived, call, kind, slot))
        return slots

    def _arrived(self, call, kind, slot, grad):
        if grad is None or call["open"] is None:
            return
        call[kind][slot] = grad.detach().clone()
        if kind == "inputs" and all(one is not None for one in call["inputs"]):
            self._write_gradient(call)

    def _write_gradient(self, call):
        outputs = [one for one in call["outputs"] if one is not None]
        if call["open"] is None or not outputs:
            return
        inputs = [one for one in call["inputs"] if one is not None]
        call.update(open=None, given=[*call["given"], *_digests(outputs)], outputs=[], inputs=[])
        place = ("backward", call["module"], "module.gradient", call["line"])
        kept = _cloned("given", outputs) if call["wanted"] else {}
        self.trace.add(*place, call["given"], inputs, None, None, kept)

    def _parameter(self, leaf, grad):
        if grad is not None:
            self.gradients.setdefault(id(leaf), []).append(grad.detach().clone())

    def _write_parameters(self, name, leaves):
        """Write the gradients of a module's own parameters, of all its calls together."""
        calls = [one for one in self.calls if one["module"] == name and one["open"] is None]
        grads = [grad for leaf in leaves for grad in self.gradients.get(id(leaf), [])]
        if calls and grads:
            given = [digest for call in calls for digest in call["given"]]
            place = ("backward", name, "module.parameters", calls[0]["line"])
            self.trace.add(*place, given, grads, None)

    def _state_of(self, name, module):
        """Return the digest of parameters and buffers; computed again after they were written."""
        state = _named_state(module)
        versions = [leaf._version for leaf in state.values()]
        if self.states.get(name, (None,))[0] != versions:
            self.states[name] = (versions, _state_text(state))
        return self.states[name][1], ""


def _state_text(state):
    try:
        return _hex(fingerprint(state))
    except Exception:
        return _NO_DIGEST


def _owners(model):
    """Return each parameter with the name of its module."""
    return [
        (leaf, _plain_name(name + ".").strip("."))
        for name, module in model.named_modules()
        for leaf in module.parameters(recurse=False)
    ]


def _digests(values, unset=()):
    """Return, in order, digest and type of the tensors in nested lists; other arguments as text.

    Args:
        values: of any kind.
        unset: where memory lies that no operation has written yet.

    Returns:
        Pairs of two texts; the second one is "" for what is no tensor.
    """
    found = []
    for value in _flattened(values):
        if torch.is_tensor(value):
            known = value.device.type != "meta" and _address(value) not in unset
            found.append((_text(value) if known else "unset", _type_of(value)))
        elif value is None or isinstance(value, _ARGUMENTS):
            found.append((repr(value), ""))
    return found


_ARGUMENTS = (bool, int, float, complex, str, torch.dtype, torch.layout, torch.memory_format)
_NO_DIGEST = "not recorded"
"""In a trace, of a tensor that cannot be digested; `mrjax.diverge.traces` knows it."""


def _text(value):
    try:
        return _hex(fingerprint({"": value}))
    except Exception:
        return _NO_DIGEST


def _flattened(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flattened(value)
        elif isinstance(value, dict):
            yield from _flattened(value.values())
        else:
            yield value


def _tensors(values):
    return [value for value in _flattened(values) if torch.is_tensor(value)]


def _made(function, result, args, kwargs):
    """Return the tensors that an operation returned, and those that it wrote in place."""
    made, schema = _tensors([result]), getattr(function, "_schema", None)
    arguments = schema.arguments if schema is not None else ()
    given = dict(kwargs)
    given.update((argument.name, value) for argument, value in zip(arguments, args))  # noqa: B905
    silent = _STATISTICS if _BATCH_NORM.match(str(function)) and given.get("training") else ()
    for argument in arguments:
        made += _written(argument, given.get(argument.name), made, argument.name in silent)
    return made


_BATCH_NORM = re.compile(r"aten\.(native|cudnn|miopen)_batch_norm\.")
_STATISTICS = ("running_mean", "running_var")
"""What a batch normalisation in training writes in place, which its schema does not say."""


def _written(argument, value, made, silent):
    if not silent and (argument.alias_info is None or not argument.alias_info.is_write):
        return []
    known = {id(one) for one in made}
    return [one for one in _tensors([value]) if id(one) not in known]


def _draws(function):
    """Whether an operation draws random numbers."""
    tag = getattr(getattr(torch, "Tag", None), "nondeterministic_seeded", None)
    return tag is not None and tag in getattr(function, "tags", ())


def _state(states):
    """Return the states of torch's generators as one text; None without any."""
    return " ".join(states.get(name, "") for name in ("torch", "cuda")).strip() or None


def _script_line():
    """Return "update" inside an optimizer, else "forward", and the innermost line of the script."""
    phase, line, frame = "forward", "", sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_TORCH):
            if os.sep + "optim" + os.sep in file:
                phase = "update"
        elif not line and file != __file__:
            line = f"{Path(file).name}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return phase, line


# What a trace keeps of values, by the rules of mrjax/diverge/evidence.py.

_KEPT = 32
_SUMS = 32
_PERIOD = 1 << 16
_CHUNK = 1 << 22
"""Elements turned into float64 at a time."""


def _evidence(leaf):
    """Return type and shape, the bits of some elements in hex, and signed sums in hex."""
    kind = _type_of(leaf)
    try:
        flat = _reals(leaf)
    except Exception:  # it has no values to read
        return kind, "", ""
    kept = flat[torch.tensor(_positions(flat.numel()), dtype=torch.int64, device=flat.device)]
    return kind, _bytes(kept).hex(), _bytes(_signed_sums(flat)).hex()


def _type_of(leaf):
    """Return type and shape; no lengths where the tensor does not tell them."""
    try:
        return _typed(leaf.dtype, leaf.shape)
    except Exception:
        return _typed(leaf.dtype, ())


def _reals(leaf):
    """Return the elements, flat in C order; of complex numbers both parts."""
    leaf = _dense(leaf)
    if leaf.is_complex():
        leaf = torch.view_as_real(leaf.resolve_conj())
    return leaf.resolve_neg().contiguous().reshape(-1)


def _bytes(leaf):
    leaf = leaf.cpu().contiguous()
    return ctypes.string_at(leaf.data_ptr(), leaf.numel() * leaf.element_size())


def _positions(size):
    """Return the places of the elements that are kept: multiples of the golden ratio."""
    if size <= _KEPT:
        return list(range(size))
    return [((i * _INDEX_FACTOR) % (1 << 64)) * size >> 64 for i in range(1, _KEPT + 1)]


def _signed_sums(flat):
    """Return sums of the elements with signs, modulo their number; not finite ones count as 0."""
    total = torch.zeros(_SUMS, dtype=torch.float64, device=flat.device)
    signs = _signs(_PERIOD, _INDEX_FACTOR, str(flat.device))
    for first in range(0, flat.numel(), _CHUNK):
        part = flat[first : first + _CHUNK].to(torch.float64)
        part = torch.where(torch.isfinite(part), part, torch.zeros_like(part))
        part = torch.nn.functional.pad(part, (0, -part.numel() % _PERIOD)).view(-1, _PERIOD)
        last = first // _PERIOD + part.shape[0]
        blocks = _signs(last, _BITS_FACTOR, str(flat.device))[first // _PERIOD :]
        total += (part * signs * blocks[:, None]).view(-1, _SUMS).sum(0)
    return total


@functools.lru_cache(maxsize=64)
def _signs(number, factor, device):
    """Return 1 or -1 for each place, by the highest bit of a mixture of the place."""
    value = torch.arange(1, number + 1, device=device).mul_(_signed(factor))
    out = torch.empty_like(value)
    for shift, multiplier in _MIX:
        value ^= _logical_shift(value, shift, out)
        value *= _signed(multiplier)
    return 1.0 - 2.0 * (value < 0).to(torch.float64)


def _cloned(kind, tensors):
    """Return {name: copy} of tensors whose values are wanted."""
    return {
        f"{kind}_{place}": tensor.detach().clone()
        for place, tensor in enumerate(tensors)
        if not _opaque(tensor)
    }


_NUMPY = {
    "bool": "|b1", "uint8": "|u1", "int8": "|i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "float16": "<f2", "float32": "<f4", "float64": "<f8", "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
"""Type of torch -> numpy's; elements of others, which the array's name tells, as their bits."""


def _write_values(path, tensors):
    """Write tensors as numpy's npz."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, tensor in tensors.items():
                kind = str(tensor.dtype)[6:]
                name = name if kind in _NUMPY else f"{name}.{kind}"
                archive.writestr(f"{name}.npy", _npy(tensor))
        temporary.replace(path)
    except OSError:
        if temporary.exists():
            temporary.unlink()
        raise


def _npy(tensor):
    """Return a tensor in numpy's format npy, version 1.0."""
    tensor = _dense(tensor)
    tensor = tensor.resolve_conj().resolve_neg().contiguous()
    kind = _NUMPY.get(str(tensor.dtype)[6:], f"<u{tensor.element_size()}")
    header = repr({"descr": kind, "fortran_order": False, "shape": tuple(tensor.shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    length = len(header).to_bytes(2, "little")
    return b"\x93NUMPY\x01\x00" + length + header.encode() + _bytes(tensor)


# Several processes.


class _Team:
    """The processes of one training: each digests its part, the first one writes."""

    def __init__(self):
        there = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.size = torch.distributed.get_world_size() if there else 1
        self.rank = torch.distributed.get_rank() if there else 0
        self.first = self.rank == 0
        self.prefix = f"rank{self.rank}/" if self.size > 1 else ""

    def gather(self, values):
        """Return a row of digests for each process."""
        if self.size == 1:
            return values[None]
        if torch.distributed.get_backend() == "gloo":
            values = values.cpu()
        rows = [torch.empty_like(values) for _ in range(self.size)]
        torch.distributed.all_gather(rows, values)
        return torch.stack(rows)


# Environment.


def _environment(model, optimizer, loader, team):
    features = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return {
        "schema_version": 1,
        "python": platform.python_version(),
        "system": {
            "os": platform.platform(),
            "host": platform.node(),
            "libc": "-".join(platform.libc_ver()),
        },
        "cpu": {
            "model": _cpuinfo("model name") or platform.processor(),
            "features": sorted(features),
            "logical": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "variables": {
            name: os.environ[name]
            for name in sorted(os.environ)
            if _VARIABLES.fullmatch(name) and not _SECRET.fullmatch(name)
        },
        "code": _code(),
        "backend": {
            "framework": "pytorch",
            **_hardware(_device(model)),
            "threads": torch.get_num_threads(),
            "processes": team.size,
            "model": _described(model),
            "optimizer": _optimizer(optimizer),
            "loader": _loader(loader),
            "switches": _switches(),
            "seeds": {"torch": torch.initial_seed(), "states": _random_states()},
            "notes": [],
        },
    }


def _lasting(environment):
    """Return what of an environment should not change when a run is resumed."""
    backend = {k: v for k, v in environment["backend"].items() if k not in ("notes", "seeds")}
    kept = {k: v for k, v in environment.items() if k not in ("start", "resumed_with", "system")}
    return {**kept, "backend": backend}


def _hardware(device):
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    facts = {"versions": versions, "platform": "cpu", "device_kind": "cpu"}
    if device.type == "cuda":
        capability = list(torch.cuda.get_device_capability(device))
        versions["cudnn"] = torch.backends.cudnn.version()
        facts.update(platform="gpu", device_kind=torch.cuda.get_device_name(device))
        facts["gpu"] = {"capability": capability, "driver": _first_line(_DRIVER)}
    return facts


_DRIVER = "/proc/driver/nvidia/version"


def _first_line(path):
    try:
        return Path(path).read_text().partition("\n")[0]
    except OSError:
        return None


def _switches():
    """Return the switches of torch that decide about bits, as they are now."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    asked = {
        "cudnn_benchmark": lambda: cudnn.benchmark,
        "cudnn_deterministic": lambda: cudnn.deterministic,
        "cudnn_enabled": lambda: cudnn.enabled,
        "cudnn_tf32": lambda: cudnn.allow_tf32,
        "matmul_tf32": lambda: matmul.allow_tf32,
        "matmul_fp16_reduction": lambda: matmul.allow_fp16_reduced_precision_reduction,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled,
        "deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled,
        "float32_matmul_precision": torch.get_float32_matmul_precision,
        "onednn": lambda: torch.backends.mkldnn.is_available(),
        "default_dtype": lambda: str(torch.get_default_dtype()),
    }
    return {name: _asked(ask) for name, ask in asked.items()}


def _asked(ask):
    try:
        return ask()
    except (AttributeError, RuntimeError):  # a version of torch that lacks or refuses the switch
        return None


def _level(environment):
    """Return what the switches promise: "run_to_run" or "not_guaranteed"."""
    backend = environment["backend"]
    switches, gpu = backend["switches"], backend["platform"] == "gpu"
    strict = switches["deterministic_algorithms"] and not switches["deterministic_warn_only"]
    cudnn = switches["cudnn_deterministic"] and not switches["cudnn_benchmark"]
    return "run_to_run" if strict and (cudnn or not gpu) else "not_guaranteed"


def _described(model):
    return {
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "parameters": sum(leaf.numel() for leaf in model.parameters()),
        "dtypes": sorted({str(leaf.dtype)[6:] for leaf in model.parameters()}),
    }


def _optimizer(optimizer):
    if optimizer is None:
        return None
    if isinstance(optimizer, (list, tuple, dict)):  # such as one of each network
        several = list(optimizer.values() if isinstance(optimizer, dict) else optimizer)
        known = [one for one in map(_optimizer, several) if one is not None]
        return {
            "class": " ".join(one["class"] for one in known),
            "groups": [group for one in known for group in one["groups"]],
        }
    if not hasattr(optimizer, "param_groups"):
        raise RecorderError(
            f"optimizer is {type(optimizer).__qualname__}; expected one of torch, or a list of "
            "them; correct it or leave it out"
        )
    groups = [
        {name: _plain(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    return {"class": type(optimizer).__qualname__, "groups": groups}


def _loader(loader):
    if loader is None:
        return None
    generator = getattr(loader, "generator", None)
    return {
        "batch_size": _plain(getattr(loader, "batch_size", None)),
        "workers": getattr(loader, "num_workers", None),
        "sampler": type(getattr(loader, "sampler", None)).__qualname__,
        "worker_init_fn": _plain(getattr(loader, "worker_init_fn", None)),
        "generator_seed": generator.initial_seed() if generator is not None else None,
    }


def _random_states():
    """Return a 64-bit digest of the state of each generator of random numbers in this process."""
    found = {"torch": _short(torch.get_rng_state())}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["cuda"] = _short(torch.cuda.get_rng_state())
    found["python"] = hashlib.sha256(repr(random.getstate()).encode()).hexdigest()[:16]
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        _, keys, *rest = numpy.random.get_state()
        total = hashlib.sha256(keys.tobytes() + repr(rest).encode())
        found["numpy"] = total.hexdigest()[:16]
    return found


def _short(state):
    """Return the beginning of the sha256 of a tensor of bytes on the host."""
    return hashlib.sha256(ctypes.string_at(state.data_ptr(), state.numel())).hexdigest()[:16]


def _code():
    """Return the digest of the script, and the state of its git repository if there is one."""
    script = Path(sys.argv[0] if sys.argv else "").resolve()
    try:
        sources = hashlib.sha256(script.read_bytes()).hexdigest()
    except OSError:
        sources = ""
    where = str(script.parent)
    commit = _git(where, "rev-parse", "HEAD").decode(errors="replace").strip()
    change = _git(where, "diff", "HEAD", "--binary", "--no-ext-diff") if commit else b""
    diff = hashlib.sha256(change).hexdigest() if change else ""
    return {"sources": sources, "script": script.name, "commit": commit, "diff": diff}


def _git(where, *words):
    try:
        done = subprocess.run(
            ["git", "-C", where, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout if done.returncode == 0 else b""


def _cpuinfo(entry):
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    found = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in found if key.strip() == entry), "")


def _memory(model):
    device = _device(model)
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# Files.


def _number(value):
    if isinstance(value, (str, bytes)):
        raise TypeError("text is no number")
    if torch.is_tensor(value):
        value = value.detach().double().mean().item()
    return float(value)


def _finite(values):
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in values.items()
    }


def _settings(config):
    """Return what `config` holds as a dictionary."""
    if config is None or isinstance(config, collections.abc.Mapping):
        return dict(config or {})
    if isinstance(config, (argparse.Namespace, types.SimpleNamespace)):
        return vars(config)
    raise RecorderError(
        f"config is {type(config).__qualname__}; expected a dictionary; give vars(args) or the like"
    )


def _one_line(error):
    return " ".join(f"{error or type(error).__name__}".split())[:200]


def _plain(value):
    """Return a value as JSON has it; what JSON lacks becomes text without an address in it."""
    if isinstance(value, collections.abc.Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def _line(record):
    return json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n"


def _append(path, record):
    record = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }
    line = _line(record).encode()
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(file).st_size
        if os.write(file, line) < len(line):  # a full disk: leave no torn line
            os.ftruncate(file, size)
            raise OSError(28, "No space left on device")
    finally:
        os.close(file)


def _write_json(path, record):
    _write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def _write_text(path, text):
    """Write a file whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        if temporary.exists():
            temporary.unlink()
        raise


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RecorderError(f"{path} is damaged; expected JSON; choose another folder") from error


def _lines(path):
    """Return the records of a file of JSON lines without a torn last one."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def _cut(path, step):
    """Drop the lines after a step; return the records kept."""
    kept = [record for record in _lines(path) if record["step"] <= step]
    if path.exists():
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text("".join(map(_line, kept)))
        temporary.replace(path)
    return kept
