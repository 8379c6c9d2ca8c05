"""The parts of a check: which commands, in which order, and what may run beside what."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from mrjax.speed.variants import VARIANTS
from mrjax.tasks.registry import PYTORCH, TASKS

SECTIONS = ("digests", "repeat", "speed")
"""In the order of what they are worth."""
CHOICES = "choices.txt"
"""File of the autotuner's choices, in the folder of the runs."""
ROUNDS = {"gpu": 20, "cpu": 3}
PRESET = {"gpu": "paper", "cpu": "tiny"}
"""What is timed: the publication's sizes, or what two cores can carry."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One command of a check.

    Attributes:
        section: one of `SECTIONS`.
        name: unique, fit for a folder.
        program: of `experiments`.
        flags: all but those of the platform and the run folder.
        task: whose network it trains; "" for none.
        alone: whether nothing may run beside it, because it is timed, or times something itself.
        patience: seconds after which it is stopped.
        pair: name that it shares with the run it repeats; "" for none.
        trains: whether it leaves a run folder, not a record on its last line.
    """

    section: str
    name: str
    program: str
    flags: tuple[str, ...]
    task: str = ""
    alone: bool = False
    patience: float = 300.0
    pair: str = ""
    trains: bool = True

    @property
    def pytorch(self) -> bool:
        """Whether it needs PyTorch."""
        return self.program == PYTORCH or any("=pytorch_" in flag for flag in self.flags)


def parts(
    sections: Sequence[str], tasks: Sequence[str], platform: str, known_flags: Sequence[str]
) -> list[Part]:
    """Return the parts of a check, what is worth most first.

    Args:
        sections: some of `SECTIONS`.
        tasks: whose networks are trained.
        platform: ``gpu``, or ``cpu`` for a rehearsal in sizes that two cores can carry.
        known_flags: of the trainings whose digests are known.
    """
    made = {
        "digests": lambda: _digests(tasks, known_flags),
        "repeat": lambda: _repeat(tasks, platform),
        "speed": lambda: _speed(tasks, platform),
    }
    return [part for section in SECTIONS if section in sections for part in made[section]()]


def _digests(tasks: Sequence[str], flags: Sequence[str]) -> Iterator[Part]:
    for task in tasks:
        name = f"orderfree_{task}"
        yield Part("digests", name, task, (*flags, *TASKS[task].flags), task, patience=420)


_UNTUNED = {
    "deterministic": ("--xla_deterministic",),
    "autotune_off": ("--xla_autotune=off",),
}
_SWITCHES = {
    "pytorch_default": (),
    "pytorch_deterministic": ("--cudnn_deterministic",),
    "pytorch_algorithms": ("--cudnn_deterministic", "--deterministic_algorithms"),
}
_TIMED = {
    "pytorch_benchmark": ("--cudnn_benchmark",),
    "pytorch_benchmark_deterministic": ("--cudnn_benchmark", "--cudnn_deterministic"),
}


def _repeat(tasks: Sequence[str], platform: str) -> Iterator[Part]:
    """The first task under every way of choosing algorithms, the others under two."""
    first, *others = tasks
    yield from _twice(first, "default", (), alone=True)
    for arm, flags in _UNTUNED.items():
        yield from _twice(first, arm, flags)
    for arm, flags in _SWITCHES.items():
        yield from _twice(first, arm, flags, PYTORCH)
    if platform == "gpu":  # a CPU has no autotuner
        yield from _stored(first)
    for arm, flags in _TIMED.items():
        yield from _twice(first, arm, flags, PYTORCH, alone=True)
    for task in others:
        yield from _twice(task, "deterministic", _UNTUNED["deterministic"])
        yield from _twice(task, "default", (), alone=True)


def _twice(
    task: str, arm: str, flags: Sequence[str], program: str = "", alone: bool = False
) -> Iterator[Part]:
    for number in (1, 2):
        yield _run(task, arm, (*flags, f"--repetition={number}"), f"{number}", program, alone)


def _run(
    task: str, arm: str, flags: Sequence[str], label: str, program: str = "", alone: bool = False
) -> Part:
    """A short training; one that is tuned by time has the machine to itself."""
    whose = (f"--task={task}",) if program else ()
    return Part(
        "repeat",
        f"{task}_{arm}_{label}",
        program or task,
        (*whose, "--preset=tiny", *TASKS[task].flags, *flags),
        task,
        alone,
        patience=240,
        pair=f"{task} {arm}",
    )


def _stored(task: str) -> Iterator[Part]:
    """One run stores the autotuner's choices, two use them."""
    file = f"--xla_autotune_file={{runs}}/{CHOICES}"
    stored = _run(task, "frozen", ("--xla_autotune=on", file), "stored", alone=True)
    yield stored
    for number in (1, 2):
        flags = ("--xla_autotune=frozen", file, f"--repetition={number}")
        yield _run(task, "frozen", flags, str(number), alone=True)


def _speed(tasks: Sequence[str], platform: str) -> Iterator[Part]:
    """Matrix products, then every variant for every task before the next variant."""
    rounds = f"--rounds={ROUNDS[platform]}"
    yield _timed("peak", ("--task=peak", rounds))
    for variant in VARIANTS:
        for task in tasks:
            flags = (f"--task={task}", f"--variants={variant}", f"--preset={PRESET[platform]}")
            yield _timed(f"{task}_{variant}", (*flags, rounds), task)


def _timed(name: str, flags: tuple[str, ...], task: str = "") -> Part:
    return Part("speed", name, "bench", flags, task, alone=True, patience=240, trains=False)


def command(part: Part, runs: Path, platform: str) -> list[str]:
    """Return the words after the interpreter.

    Args:
        part: of a check.
        runs: folder of the run folders.
        platform: ``cpu`` or ``gpu``.
    """
    flags = [flag.replace("{runs}", str(runs)) for flag in part.flags]
    place = [f"--workdir={runs / part.name}"] if part.trains else []
    return ["-m", f"experiments.{part.program}", *flags, f"--platform={platform}", *place]
