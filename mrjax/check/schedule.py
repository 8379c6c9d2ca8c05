"""Run parts in their order, side by side where allowed, until the time is up."""

import threading
import time
from collections.abc import Callable, Sequence

from mrjax.check.parts import Part

LEAST = 10.0
"""Least number of remaining seconds in which a part is still started."""


class Schedule:
    """Starts parts in their order; a part that is `alone` has the machine to itself.

    No part overtakes another, because the most valuable parts come first.
    """

    def __init__(self, slots: int, budget: float) -> None:
        """Begin to count the time.

        Args:
            slots: number of parts that may run side by side.
            budget: seconds after which no part is started.
        """
        self._slots, self._budget, self._since = slots, budget, time.monotonic()
        self._changed = threading.Condition()
        self._running: list[Part] = []
        self._lost: list[BaseException] = []

    def left(self) -> float:
        """Return the seconds in which parts may still be started; negative if the time is up."""
        return self._budget - (time.monotonic() - self._since)

    def run(
        self, parts: Sequence[Part], do: Callable[[Part], None], late: Callable[[Part], None]
    ) -> None:
        """Run parts; return when all have ended.

        Args:
            parts: the parts in the order in which they are started.
            do: function that runs a part to its end; called in a thread for each part.
            late: function called with each part for which no time was left.

        Raises:
            BaseException: the first exception of `do`, a defect, because `do` raises nothing for a
                failed part.
        """
        threads = []
        for part in parts:
            self._wait_for_room(part)
            if self.left() < LEAST or self._lost:
                late(part)
                continue
            with self._changed:
                self._running.append(part)
            threads.append(threading.Thread(target=self._follow, args=(part, do)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        if self._lost:
            raise self._lost[0]

    def _wait_for_room(self, part: Part) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._room(part))

    def _room(self, part: Part) -> bool:
        if not self._running:
            return True
        crowded = len(self._running) >= self._slots or any(p.alone for p in self._running)
        return not (crowded or part.alone)

    def _follow(self, part: Part, do: Callable[[Part], None]) -> None:
        try:
            do(part)
        except BaseException as error:  # a defect, which must not keep other parts waiting
            self._lost.append(error)
        finally:
            with self._changed:
                self._running.remove(part)
                self._changed.notify_all()
