"""The order of a check's parts, the parts beside them, and their time."""

import threading
import time

import pytest

from mrjax.check.parts import Part
from mrjax.check.schedule import LEAST, Schedule

WAIT = 20.0


def part(name: str, alone: bool = False) -> Part:
    return Part("digests", name, "qsm", (), alone=alone)


class Watched:
    """Runs parts that end when they are told, and sees which run at the same time."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.company: dict[str, set[str]] = {}
        self._now: set[str] = set()
        self._lock = threading.Lock()
        self.end = threading.Event()

    def __call__(self, one: Part) -> None:
        with self._lock:
            self.begun.append(one.name)
            self._now.add(one.name)
            for name in self._now:
                self.company[name] = self.company.get(name, set()) | self._now
        self.end.wait(0.05 if one.alone else WAIT)
        with self._lock:
            self._now.remove(one.name)


def run(parts: list[Part], slots: int, watched: Watched) -> list[str]:
    late: list[str] = []
    schedule = Schedule(slots, budget=1e6)
    runner = threading.Thread(
        target=schedule.run, args=(parts, watched, lambda p: late.append(p.name))
    )
    runner.start()
    deadline = time.monotonic() + WAIT
    while len(watched.begun) < min(slots, len(parts)) and time.monotonic() < deadline:
        time.sleep(0.01)
    watched.end.set()
    runner.join(WAIT)
    assert not runner.is_alive()
    return late


def test_parts_run_side_by_side_but_not_in_more_slots():
    watched = Watched()
    assert run([part("a"), part("b"), part("c")], 2, watched) == []
    assert watched.begun[:2] == ["a", "b"] or watched.begun[:2] == ["b", "a"]
    assert "b" in watched.company["a"]
    assert all(len(company) <= 3 for company in watched.company.values())


def test_a_timed_part_has_the_machine_to_itself_and_nothing_overtakes_it():
    watched = Watched()
    watched.end.set()
    run([part("a"), part("timed", alone=True), part("b")], 3, watched)
    assert watched.company["timed"] == {"timed"}
    assert watched.begun == ["a", "timed", "b"]


def test_nothing_is_started_without_time():
    late: list[str] = []
    started: list[str] = []
    schedule = Schedule(1, budget=LEAST / 2)
    schedule.run(
        [part("a"), part("b")], lambda p: started.append(p.name), lambda p: late.append(p.name)
    )
    assert (started, late) == ([], ["a", "b"])


def test_a_defect_is_not_swallowed():
    def broken(one: Part) -> None:
        raise RuntimeError(one.name)

    late: list[str] = []
    with pytest.raises(RuntimeError, match="a"):
        Schedule(1, 1e6).run([part("a"), part("b")], broken, lambda p: late.append(p.name))
    assert late == ["b"]
