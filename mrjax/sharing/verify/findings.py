"""What a check found, in words for a reader and as JSON for a receipt."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

PASSED, ROUNDED, FAILED, NOT_MADE, NOT_ASKED = (
    "passed",
    "passed up to rounding",
    "failed",
    "not made",
    "not asked for",
)
"""Outcomes of a check. One that was asked for and could not be made does not count as passed."""
VERIFIED, DIFFERENT, DOES_NOT_RUN = 0, 1, 3
"""Exit codes; 2 is a mistake of the user, as everywhere."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked, in one or two words.
        outcome: one of the constants of this module.
        said: one sentence, or several, on what was found.
        facts: the same as JSON values.
    """

    check: str
    outcome: str
    said: str
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def line(self) -> str:
        """The finding for a reader."""
        return f"{self.check}: {self.outcome}. {self.said}"

    def content(self) -> dict[str, Any]:
        """The finding as JSON."""
        return dataclasses.asdict(self) | {"facts": dict(self.facts)}


def code(findings: Iterable[Finding]) -> int:
    """Return the exit code of all findings; what differs weighs more than what did not run."""
    outcomes = {one.outcome for one in findings}
    if FAILED in outcomes:
        return DIFFERENT
    return DOES_NOT_RUN if NOT_MADE in outcomes else VERIFIED


def conclusion(findings: Iterable[Finding], digest: str) -> str:
    """Return the last line for a reader."""
    found = list(findings)
    named = {
        outcome: ", ".join(one.check for one in found if one.outcome == outcome)
        for outcome in (ROUNDED, FAILED, NOT_MADE, NOT_ASKED)
    }
    if named[FAILED]:
        return f"NOT VERIFIED {digest}: {named[FAILED]} failed"
    if named[NOT_MADE]:
        return f"NOT VERIFIED {digest}: {named[NOT_MADE]} could not be checked"
    rounded = f", up to rounding in: {named[ROUNDED]}" if named[ROUNDED] else ""
    left = f" (not asked for: {named[NOT_ASKED]})" if named[NOT_ASKED] else ""
    return f"verified {digest}{rounded}{left}"
