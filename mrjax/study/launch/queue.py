"""Which run is next: a queue shared by threads, in which some runs wait for others."""

import threading
from collections.abc import Callable, Sequence

from mrjax.study.launch.progress import Failure
from mrjax.study.records import Run


class Queue:
    """Runs in their order, each given out once, as soon as the run it requires is finished."""

    def __init__(self, runs: Sequence[Run], finished: Callable[[str], bool]) -> None:
        """Take the runs.

        Args:
            runs: that are to be done, in their order.
            finished: whether the run with this workdir, not necessarily of these, is finished.
        """
        self._waiting = list(runs)
        self._finished = finished
        self._under_way: set[str] = set()
        self._changed = threading.Condition()

    def take(self) -> Run | None:
        """Next run that can start; waits where it depends on one under way; None at the end."""
        with self._changed:
            while True:
                for run in self._waiting:
                    if not run.requires or self._finished(run.requires):
                        self._waiting.remove(run)
                        self._under_way.add(run.workdir)
                        return run
                if not self._under_way:
                    return None
                self._changed.wait()

    def give_back(self, run: Run) -> None:
        """Say that a run has ended, well or not."""
        with self._changed:
            self._under_way.discard(run.workdir)
            self._changed.notify_all()

    def close(self) -> None:
        """Give out no more runs."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def left(self) -> list[Failure]:
        """Runs never given out, because what they require did not finish."""
        with self._changed:
            return [Failure(run, f"waits for {run.requires}") for run in self._waiting]
