"""What was found while the data of a run were read: choices, overruled checks, subjects left out.

A loader is given one `Intake` and adds to it. Whoever runs the task says its lines and keeps its
record, so that nothing is chosen, overruled or dropped without a word.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

from mrjax.config.accept import accepted
from mrjax.data.words import text
from mrjax.errors import UserError

_SHOWN = 3
"""Names that a spoken line gives of many; the record gives all."""


@dataclasses.dataclass
class Intake:
    """The account of one run's data, which grows while files are read.

    Attributes:
        accepted: names of the checks that the user overrules, of `mrjax.config.accept.CHECKS`.
        insisted: refusals that were overruled, one sentence each.
        left_out: (subject, reason) for each subject that was found and not used.
        training: number of subjects, slices or patients to train on.
        held_out: number of those to be judged.
        what: they are, in the plural, as people call them.
        geometry: digest of what belongs to them beside their arrays; "" before it is known.
    """

    accepted: frozenset[str] = frozenset()
    insisted: list[str] = dataclasses.field(default_factory=list)
    left_out: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    training: int = 0
    held_out: int = 0
    what: str = "subjects"
    geometry: str = ""
    _notes: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @classmethod
    def insisting(cls, text: str) -> "Intake":
        """An empty account under ``--accept=text``; UserError for an unknown name."""
        return cls(accepted=accepted(text))

    def note(self, line: str, of: str = "") -> None:
        """Keep a choice that was made, once however often it is made.

        Args:
            line: a sentence.
            of: the slice, subject or file; notes of one sentence become one line with these names.
        """
        names = self._notes.setdefault(text(line), [])
        if of and text(of) not in names:
            names.append(text(of))

    @property
    def notes(self) -> list[str]:
        """The choices that were made, one sentence each with all its names."""
        return [_with_names(line, ", ".join(names)) for line, names in self._notes.items()]

    def doubt(self, check: str, problem: str, advice: str) -> None:
        """Refuse data that do not make sense, unless the user insists.

        Args:
            check: name of the check, one of `mrjax.config.accept.CHECKS`.
            problem: what is wrong and what was expected.
            advice: what to do.

        Raises:
            UserError: the user has not said ``--accept=<check>``.
        """
        if check not in self.accepted:
            raise UserError(f"{problem}; {advice}, or insist with --accept={check}")
        line = text(f"{problem} (--accept={check})")
        if line not in self.insisted:
            self.insisted.append(line)

    def leave_out(self, name: str, reason: str) -> None:
        """Count a subject that was found and is not used."""
        self.left_out.append((text(name), text(reason)))

    def use(self, training: Sequence[Any], held_out: Sequence[Any], what: str) -> None:
        """Count the subjects, slices or patients (`what`) that the run uses."""
        self.training, self.held_out, self.what = len(training), len(held_out), what

    @property
    def found(self) -> int:
        """Number of subjects, used or not."""
        return self.training + self.held_out + len(self.left_out)

    def record(self) -> dict[str, Any]:
        """The account as ``result.json`` keeps it, under the key ``data``."""
        account = {
            "found": self.found,
            "training": self.training,
            "held_out": self.held_out,
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "notes": self.notes,
            "accepted": list(self.insisted),
        }
        return account | ({"geometry": self.geometry} if self.geometry else {})

    def lines(self) -> list[str]:
        """The account for a person: how many were found and used, then notes and doubts."""
        used = [f"{self.training} to train on"] if self.training else []
        used.append(f"{self.held_out} held out")
        count = f"data: {self.found} {self.what} found; {', '.join(used)}"
        if self.left_out:
            count += f"; {len(self.left_out)} left out"
        reasons = collections.defaultdict(list)
        for name, reason in self.left_out:
            reasons[reason].append(name)
        left = [f"left out, {reason}: {shown(names)}" for reason, names in reasons.items()]
        notes = [f"note: {_with_names(line, shown(of))}" for line, of in self._notes.items()]
        return [count, *left, *notes, *(f"accepted: {line}" for line in self.insisted)]


def _with_names(line: str, names: str) -> str:
    return f"{line}: {names}" if names else line


def shown(names: Sequence[str]) -> str:
    """Some names for a line: the first few, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
