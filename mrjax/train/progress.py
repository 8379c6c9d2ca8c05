"""Progress for the user: a bar on a terminal, a plain line every few seconds in a log."""

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Shows step and loss on standard error."""

    def __init__(self, start: int, steps: int, unit: str = "step") -> None:
        """Begin at step `start` of `steps`; `unit` is what a step is called."""
        self._start, self._steps, self._unit = start, steps, unit
        self._begun = self._shown = time.perf_counter()
        # disable=None: tqdm draws only on a terminal, so that cluster logs hold no bars.
        self._bar = tqdm(total=steps, initial=start, disable=None, unit=unit, file=sys.stderr)

    def __enter__(self) -> "Progress":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the bar as it stands."""
        self._bar.close()

    def update(self, step: int, loss: float | None = None) -> None:
        """Show that `step` is done, with `loss` where there is one."""
        said = "" if loss is None else f"loss {loss:.4g}"
        if not self._bar.disable:
            self._bar.set_postfix_str(said, refresh=False)
            self._bar.update(step - self._bar.n)
            return
        now = time.perf_counter()
        if now - self._shown >= SECONDS_BETWEEN_LINES or step == self._steps:
            self._shown = now
            left = (now - self._begun) / (step - self._start) * (self._steps - step)
            parts = (f"{self._unit} {step}/{self._steps}", said, f"{left:.0f} s left")
            sys.stderr.write("  ".join(filter(None, parts)) + "\n")
            sys.stderr.flush()


class Share:
    """Shows on standard error which share of some work is done."""

    def __init__(self, whole: int) -> None:
        """Begin work of an extent in any unit, such as products of numbers."""
        self._whole, self._done, self._shown = whole, 0, 0
        self._progress = Progress(0, 100, unit="percent")

    def __enter__(self) -> "Share":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the bar as it stands."""
        self._progress.__exit__()

    def add(self, part: int) -> None:
        """Show that a part of the work is done, where it makes a percent."""
        self._done += part
        percent = min(100 * self._done // self._whole, 100)
        if percent > self._shown:
            self._shown = percent
            self._progress.update(percent)
