"""Progress for the user: a bar on a terminal, a plain line every few seconds in a log."""

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Shows step and loss on standard error."""

    def __init__(self, start: int, steps: int) -> None:
        """Begin at step `start` of `steps`."""
        self._start, self._steps = start, steps
        self._begun = self._shown = time.perf_counter()
        # disable=None: tqdm draws only on a terminal, so that cluster logs hold no bars.
        self._bar = tqdm(total=steps, initial=start, disable=None, unit="step", file=sys.stderr)

    def __enter__(self) -> "Progress":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the bar as it stands."""
        self._bar.close()

    def update(self, step: int, loss: float) -> None:
        """Show that `step` is done with `loss`."""
        if not self._bar.disable:
            self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            self._bar.update(step - self._bar.n)
            return
        now = time.perf_counter()
        if now - self._shown >= SECONDS_BETWEEN_LINES or step == self._steps:
            self._shown = now
            left = (now - self._begun) / (step - self._start) * (self._steps - step)
            sys.stderr.write(f"step {step}/{self._steps}  loss {loss:.4g}  {left:.0f} s left\n")
            sys.stderr.flush()
