"""Records that the runs of all tasks write in the same way: folder, times, memory, tables."""

import os
import resource
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import mrjax
from mrjax import config as configs
from mrjax.runs import environment, result
from mrjax.runs.folder import RunFolder, open_run

CODE_ROOT = Path(mrjax.__file__).resolve().parents[1]
LAPS = (*result.SECONDS, result.CLASSICAL)


def opened(
    path: Path,
    config: configs.RunConfig,
    flags_text: str,
    facts: Mapping[str, Any],
    resume: bool | None = None,
) -> tuple[RunFolder, str]:
    """Open the run folder of a configuration, see `mrjax.runs.folder.open_run`.

    Args:
        path: the folder.
        config: checked configuration.
        flags_text: the flags, for ``flags.txt``.
        facts: the framework's part of environment.json.
        resume: whether an unfinished run is continued; None: as the configuration says.

    Returns:
        The open folder and its status.

    Raises:
        UserError: the folder cannot be written, or holds a run that cannot be continued.
    """
    return open_run(
        path,
        flags_text=flags_text,
        config=configs.to_json(config),
        config_digest=configs.digest(config),
        environment=environment.capture(facts, CODE_ROOT),
        resume=config.resume if resume is None else resume,
        allow_mixed=config.allow_mixed,
    )


def outputs(path: Path) -> str:
    """Return the lines with which a finished run ends: digests of its network and predictions.

    They have all their digits, so that two people can compare trainings by what they see.

    Args:
        path: the run folder.

    Raises:
        UserError: its result cannot be read.
    """
    found = result.read(path)["digests"]
    words = {"network": found["params"], "predictions": found["predictions"]}
    return "".join(f"{word:<13}{digest}\n" for word, digest in words.items())


class Clock:
    """Seconds of wall time by phase of `mrjax.runs.result`; phases that did not run take 0."""

    def __init__(self) -> None:
        """Start the first phase."""
        self.seconds: dict[str, float] = dict.fromkeys(LAPS, 0.0)
        self._load = _load()
        self._since = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Add the time since the last lap to `phase`."""
        now = time.perf_counter()
        self.seconds[phase] += now - self._since
        self._since = now

    def load(self) -> dict[str, float] | None:
        """Return the number of cores, and the load at the start and now; None if not known.

        Other work on the machine makes times longer, so a record of times says how much there was.
        """
        now = _load()
        if self._load is None or now is None:
            return None
        return {"cores": os.cpu_count() or 1, "begin": self._load, "end": now}


def _load() -> float | None:
    """Return the number of running or waiting processes, averaged over a minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # some systems do not count them
        return None


def peak_memory(devices: Sequence[Any]) -> int | None:
    """Return the largest amount of memory that was in use at any time so far [bytes].

    Args:
        devices: JAX's devices, all CPUs or all GPUs.

    Returns:
        On CPUs, the peak of the process. On GPUs, that of the GPU with the highest peak, or None
        if a GPU does not count its memory.
    """
    if devices[0].platform == "cpu":
        return process_memory()
    # Depending on the allocator there are no counts, or -1 for a count that is not kept.
    peaks = [(d.memory_stats() or {}).get("peak_bytes_in_use", -1) for d in devices]
    return max(peaks) if min(peaks) >= 0 else None


def process_memory() -> int:
    """Return the largest memory of this process so far [bytes]."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes * (1 if sys.platform == "darwin" else 1024)


def say(line: str) -> None:
    """Write a line for the user to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def stopped(signal: int, after: str = "") -> int:
    """Tell the user that a signal stopped a run; return the exit code, 128 + signal."""
    say(f"stopped by signal {signal}{after}; the same command goes on from there")
    return 128 + signal


def by_method(
    rows: Iterable[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, list[float]]]:
    """Turn a method -> metric -> value of each subject into method -> metric -> values."""
    rows = list(rows)
    first = rows[0] if rows else {}
    return {m: {k: [row[m][k] for row in rows] for k in first[m]} for m in first}


def table(found: Mapping[str, Mapping[str, Sequence[float | None]]], names: Sequence[str]) -> str:
    """Return a table of the first metric of every subject, and the means of every metric.

    Args:
        found: method -> metric -> one value for each subject.
        names: names of the subjects.

    Returns:
        Lines of text for a terminal.
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
