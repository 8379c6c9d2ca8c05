"""Small things every task's run records in the same way."""

import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import mrjax
from mrjax.runs import result

CODE_ROOT = Path(mrjax.__file__).resolve().parents[1]
LAPS = (*result.SECONDS, result.CLASSICAL)


class Clock:
    """Seconds of wall time by phase of `mrjax.runs.result`; phases not run take 0."""

    def __init__(self) -> None:
        """Start the first phase."""
        self.seconds: dict[str, float] = dict.fromkeys(LAPS, 0.0)
        self._load = _load()
        self._since = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Count the time since the last lap to `phase`."""
        now = time.perf_counter()
        self.seconds[phase] += now - self._since
        self._since = now

    def load(self) -> dict[str, float] | None:
        """Cores of the machine, and its load when the clock was started and now; None if unknown.

        Other work on the machine makes times longer than they need be, so records of them say
        whether there was any.
        """
        now = _load()
        if self._load is None or now is None:
            return None
        return {"cores": os.cpu_count() or 1, "begin": self._load, "end": now}


def _load() -> float | None:
    """Processes running or waiting to, averaged over a minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # not on every system
        return None


def peak_memory(devices: Sequence[Any]) -> int | None:
    """Largest memory in use so far [bytes].

    Args:
        devices: JAX's, of one kind.

    Returns:
        That of the process on a CPU; of GPUs the fullest one's, None if one does not count.
    """
    if devices[0].platform == "cpu":
        return process_memory()
    # Depending on the allocator there are no counts, or -1 for one that is not kept.
    peaks = [(d.memory_stats() or {}).get("peak_bytes_in_use", -1) for d in devices]
    return max(peaks) if min(peaks) >= 0 else None


def process_memory() -> int:
    """Largest memory that this process has had so far [bytes]."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes * (1 if sys.platform == "darwin" else 1024)


def say(line: str) -> None:
    """Write a line for a person to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def table(found: Mapping[str, Mapping[str, Sequence[float | None]]], names: Sequence[str]) -> str:
    """Lay out the first metric of every subject, and the means of every metric, for a terminal.

    Args:
        found: method -> metric -> one value a subject.
        names: of the subjects.

    Returns:
        Lines of text.
    """
    methods = list(found)
    metrics = list(found[methods[0]])
    width = max(10, *(len(m) + 2 for m in methods))
    lines = [f"{metrics[0].upper():<24}" + "".join(f"{m:>{width}}" for m in methods)]
    for i, name in enumerate(names):
        values = "".join(_cell(found[m][metrics[0]][i], width) for m in methods)
        lines.append(f"{name:<24}" + values)
    for metric in metrics:
        means = "".join(_cell(_mean(found[m][metric]), width) for m in methods)
        lines.append(f"{'mean ' + metric:<24}" + means)
    return "\n".join(lines)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _cell(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.4f}"
