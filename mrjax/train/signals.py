"""SIGTERM and Ctrl-C as a request: finish the step, save, end."""

import signal
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Context in which the first SIGTERM or SIGINT only sets :attr:`signal`.

    A cluster that preempts a job sends SIGTERM some seconds before it kills; the loop then
    writes a checkpoint. A second signal acts as usual, for whoever cannot wait.
    """

    def __init__(self) -> None:
        """Nothing is installed before the context is entered."""
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        """Install the handlers."""
        self._before = {s: signal.signal(s, self._request) for s in SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        """Put back the handlers found."""
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
