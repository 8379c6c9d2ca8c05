"""The parts of a check: their commands, their order, and which parts may run side by side.

The time may end after any part, so the most valuable parts come first: the published digests, and
parts that may run beside them; repetition with the usual flags; QSMnet's step in both frameworks;
then the rest of repetition and speed.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mrjax.speed import variants
from mrjax.speed.variants import VARIANTS
from mrjax.tasks.registry import PYTORCH, TASKS

SECTIONS = ("digests", "repeat", "speed")
"""The sections, the most valuable first."""
CHOICES = "choices.txt"
"""File of the autotuner's choices, in the folder of the runs."""
PATIENCE = {"gpu": (100.0, 220.0), "cpu": (900.0, 1800.0)}
"""Seconds after which a part, or a slow part, is stopped, so that others have time if it hangs."""
ROUNDS = {"gpu": 20, "cpu": 3}
PRESET = {"gpu": "paper", "cpu": "tiny"}
"""Preset of the timed steps: the publication's sizes, or sizes that two cores can compute."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One command of a check.

    Attributes:
        section: one of `SECTIONS`.
        name: unique name that is valid for a folder.
        program: name of the program in `experiments`.
        flags: all flags but those of the platform and the run folder.
        task: the task whose network the part trains; "" for none.
        alone: whether no other part may run at the same time, because the part is timed, or
            chooses algorithms by timing.
        worth: place in the order, 0 first; parts of equal place keep the order of their sections.
        slow: whether the part compiles for minutes.
        pair: name that the part shares with its repetition; "" for none.
        trains: whether the part writes a run folder, instead of a record on its last line.
    """

    section: str
    name: str
    program: str
    flags: tuple[str, ...]
    task: str = ""
    alone: bool = False
    worth: int = 0
    slow: bool = False
    pair: str = ""
    trains: bool = True

    @property
    def pytorch(self) -> bool:
        """Whether the part needs PyTorch."""
        return self.program == PYTORCH or any("=pytorch_" in flag for flag in self.flags)


def parts(
    sections: Sequence[str], tasks: Sequence[str], platform: str, known_flags: Sequence[str]
) -> list[Part]:
    """Return the parts of a check, the most valuable first.

    Args:
        sections: some of `SECTIONS`.
        tasks: the tasks whose networks are trained.
        platform: ``gpu``, or ``cpu`` for a rehearsal in sizes that two cores can compute.
        known_flags: flags of the trainings whose digests are known.
    """
    made = {
        "digests": lambda: _digests(tasks, known_flags),
        "repeat": lambda: _repeat(tasks, platform),
        "speed": lambda: _speed(tasks, platform),
    }
    found = [part for section in SECTIONS if section in sections for part in made[section]()]
    return sorted(found, key=lambda part: part.worth)


def patience(part: Part, platform: str) -> float:
    """Return the seconds after which a part is stopped."""
    return PATIENCE[platform][part.slow]


def _digests(tasks: Sequence[str], flags: Sequence[str]) -> Iterator[Part]:
    for task in tasks:
        words = (*flags, *TASKS[task].flags)
        yield Part("digests", f"orderfree_{task}", task, words, task, slow=True)


_UNTUNED = {
    "deterministic": ("--xla_deterministic",),
    "autotune_off": ("--xla_autotune=off",),
}
_SWITCHES = {
    "pytorch_default": (),
    "pytorch_deterministic": ("--cudnn_deterministic",),
    "pytorch_algorithms": ("--cudnn_deterministic", "--deterministic_algorithms"),
}
_TUNED = {
    "pytorch_benchmark": ("--cudnn_benchmark",),
    "pytorch_benchmark_deterministic": ("--cudnn_benchmark", "--cudnn_deterministic"),
}


def _repeat(tasks: Sequence[str], platform: str) -> Iterator[Part]:
    """Train the first task under every way of choosing algorithms, the others under two ways.

    A part that chooses by timing has the machine to itself.
    """
    first, *others = tasks
    for arm, flags in _UNTUNED.items():
        yield from _twice(_run(first, arm, flags))
    for arm, flags in _SWITCHES.items():
        yield from _twice(_run(first, arm, flags, PYTORCH))
    yield from _twice(_run(first, "default", (), alone=True, worth=1))
    if platform == "gpu":  # a CPU has no autotuner
        yield from _stored(first)
    for arm, flags in _TUNED.items():
        yield from _twice(_run(first, arm, flags, PYTORCH, alone=True, worth=5))
    for task in others:
        yield from _twice(_run(task, "deterministic", _UNTUNED["deterministic"], worth=5))
        yield from _twice(_run(task, "default", (), alone=True, worth=5))


def _run(task: str, arm: str, flags: Sequence[str], program: str = "", **more: Any) -> Part:
    """Return a short training."""
    whose = (f"--task={task}",) if program else ()
    words = (*whose, "--preset=tiny", *TASKS[task].flags, *flags)
    name = f"{task}_{arm}"
    return Part("repeat", name, program or task, words, task, pair=f"{task} {arm}", **more)


def _twice(one: Part) -> Iterator[Part]:
    for number in (1, 2):
        flags = (*one.flags, f"--repetition={number}")
        yield dataclasses.replace(one, name=f"{one.name}_{number}", flags=flags)


def _stored(task: str) -> Iterator[Part]:
    """Let one run store the autotuner's choices and two runs use them."""
    file = f"--xla_autotune_file={{runs}}/{CHOICES}"
    stored = _run(task, "frozen", ("--xla_autotune=on", file), alone=True, worth=3)
    yield dataclasses.replace(stored, name=f"{stored.name}_stored")
    yield from _twice(_run(task, "frozen", ("--xla_autotune=frozen", file), worth=3))


_FIRST = ("jax_float32", "pytorch_float32", "jax_tf32", "pytorch_tf32")
"""Variants of the first task that are timed before all others."""
_SLOW = ("orderfree", "compiled")


def _speed(tasks: Sequence[str], platform: str) -> Iterator[Part]:
    """Time matrix products, then each variant for every task, before the next variant."""
    rounds = f"--rounds={ROUNDS[platform]}"
    yield _timed("peak", ("--task=peak", rounds), worth=2)
    for variant, task in itertools.product(VARIANTS, tasks):
        if variant in variants.of(task):
            first = task == tasks[0] and variant in _FIRST
            flags = (f"--task={task}", f"--variants={variant}", f"--preset={PRESET[platform]}")
            slow = any(word in variant for word in _SLOW)
            worth = 2 if first else 6 if slow and "compiled" in variant else 4
            yield _timed(f"{task}_{variant}", (*flags, rounds), task=task, slow=slow, worth=worth)


def _timed(name: str, flags: tuple[str, ...], **more: Any) -> Part:
    return Part("speed", name, "bench", flags, alone=True, trains=False, **more)


def command(part: Part, runs: Path, platform: str) -> list[str]:
    """Return the words of the command after the interpreter.

    Args:
        part: a part of a check.
        runs: folder of the run folders.
        platform: ``cpu`` or ``gpu``.
    """
    flags = [flag.replace("{runs}", str(runs)) for flag in part.flags]
    place = [f"--workdir={runs / part.name}"] if part.trains else []
    return ["-m", f"experiments.{part.program}", *flags, f"--platform={platform}", *place]
