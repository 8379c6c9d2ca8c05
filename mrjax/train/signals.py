"""SIGTERM, Ctrl-C and a closed terminal as a request to finish the step, save and end."""

import signal
from types import FrameType
from typing import Any

from mrjax.children import FORWARDED, heard

SIGNALS = FORWARDED


class StopRequest:
    """Context in which the first SIGTERM, SIGINT or SIGHUP only sets :attr:`signal`.

    A cluster that preempts a job sends SIGTERM some seconds before it kills the job, which leaves
    the loop time for a checkpoint. A second signal acts as usual, for a user who cannot wait.
    """

    def __init__(self) -> None:
        """Prepare the context; handlers are installed when it is entered."""
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        """Install the handlers."""
        self._before = {s: signal.signal(s, self._request) for s in heard(SIGNALS)}
        return self

    def __exit__(self, *exception: object) -> None:
        """Restore the earlier handlers."""
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
