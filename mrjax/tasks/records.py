"""Small things every task's run records in the same way."""

import resource
import sys
import time
from pathlib import Path

import mrjax
from mrjax.backend import Backend

CODE_ROOT = Path(mrjax.__file__).resolve().parents[1]
LAPS = ("setup", "compile", "train", "infer")


class Clock:
    """Seconds of wall time by phase: setup, compile, train, infer; phases not run take 0."""

    def __init__(self) -> None:
        """Start the first phase."""
        self.seconds: dict[str, float] = dict.fromkeys(LAPS, 0.0)
        self._since = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Count the time since the last lap to `phase`."""
        now = time.perf_counter()
        self.seconds[phase] += now - self._since
        self._since = now


def peak_memory(backend: Backend) -> int:
    """Largest memory in use so far [bytes]: of the device if it counts, else of the process."""
    counted = [d.memory_stats() or {} for d in backend.devices if d.platform != "cpu"]
    peaks = [int(c["peak_bytes_in_use"]) for c in counted if "peak_bytes_in_use" in c]
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(peaks) if peaks else kibibytes * (1 if sys.platform == "darwin" else 1024)


def say(line: str) -> None:
    """Write a line for a person to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
