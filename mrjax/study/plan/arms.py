"""One arm of a recipe: ``name [source]: --flag=value ... key=value ...``.

The source may be left out where the flags tell it. Keys stand for what is no flag of the run:
``python=INTERPRETER`` (another software version), ``resource=NAME`` (a class of cluster nodes,
another device model), ``experiment=pytorch`` (the same task in PyTorch), ``command="PROGRAM ..."``
(a foreign program that writes run folders), ``requires=ARM`` (runs of this arm wait for replicate 1
of that one).
"""

import dataclasses
import re
import shlex

from mrjax.errors import UserError
from mrjax.study.plan import sources
from mrjax.study.records import BASELINE, CROSSED, INFER_BASELINE, Arm
from mrjax.tasks.registry import FORMERLY, PYTORCH

KEYS = ("python", "resource", "experiment", "command", "requires")
_SPEC = re.compile(r"\s*([^\s\[\]:]+)\s*(?:\[([^\]]*)\]\s*)?:(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_FLAG = re.compile(r"--[A-Za-z]\w*(=.*)?", re.DOTALL)
_TOLD = {
    "python": "software", "resource": "device", "experiment": "framework", "command": "framework",
}  # fmt: skip
_INFERENCE = ("steps", "from_run")
_OURS = ("workdir", "resume", "allow_mixed", "sweep", "help", "flagfile", "undefok")


@dataclasses.dataclass(frozen=True)
class Spec:
    """An arm as a recipe asks for it.

    Attributes:
        arm: the arm, before it is known whether it can run.
        experiment: `PYTORCH` for the study's task in PyTorch, "" for the study's own program.
        requires: name of the arm whose first replicate must be finished first, "" for none.
    """

    arm: Arm
    experiment: str = ""
    requires: str = ""


def parse(text: str, kind: str) -> Spec:
    """Read one arm.

    Args:
        text: as at the top of this module.
        kind: "training" or "inference".

    Raises:
        UserError: it cannot be read, changes no or several sources, or names an unknown one.
    """
    found = _SPEC.fullmatch(unquoted(text))
    if not found:
        raise UserError(f"--arm={text} has no name; expected NAME: --flag=value ...; see --help")
    name, source, rest = found[1], found[2], found[3]
    _check_name(name)
    try:
        flags, keys = split(rest)
        if "experiment" in keys:
            keys["experiment"] = FORMERLY.get(keys["experiment"], keys["experiment"])
        _check_inference(flags if kind == "inference" else ())
        source = _source(source, flags, keys)
    except UserError as error:
        raise UserError(f"arm {name}: {error}") from error
    beside = {key: keys.pop(key) for key in ("experiment", "requires") if key in keys}
    return Spec(Arm(name=name, source=source, flags=flags, kind=kind, **keys), **beside)


def _check_inference(flags: tuple[str, ...]) -> None:
    for flag in flags:
        if sources.flag_name(flag) in _INFERENCE:
            raise UserError(
                f"{flag} is not for an inference arm; expected what changes inference with the "
                "baseline's network; make it a training arm"
            )


def unquoted(text: str) -> str:
    """The text without quotes around all of it, which a shell takes away but a flag file keeps."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UserError(
            f"arm {name!r} cannot be a folder's name; expected letters, digits and _ . + -; "
            "rename it"
        )
    if name in (BASELINE, INFER_BASELINE, CROSSED):
        raise UserError(
            f"arm {name}: this name is taken; expected another one; rename it (flags of the "
            "baseline are given by --baseline)"
        )


def split(text: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Flags and keys of an arm, or of a baseline.

    Raises:
        UserError: for a word that is neither, or a flag that the study itself sets.
    """
    keys: dict[str, str] = {}
    flags: dict[str, str] = {}
    for word in words(text):
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            check_flag(word)
            other = flags.setdefault(sources.flag_name(word), word)
            if other is not word:
                raise UserError(
                    f"{other} and {word} contradict each other; expected one of them; drop one"
                )
        elif not equals or name not in KEYS:
            raise UserError(
                f"{word!r} is no flag; expected --flag=value, or one of "
                f"{', '.join(f'{key}=' for key in KEYS)}; correct it"
            )
        elif name in keys or not value:
            raise UserError(f"{word!r} is empty or given twice; expected one value; correct it")
        else:
            keys[name] = value
    return tuple(flags.values()), keys


def words(text: str) -> list[str]:
    """Words as a shell divides them.

    Raises:
        UserError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(
            f"{error} in {text.strip()}; expected words as in a shell; correct it"
        ) from error


def check_flag(flag: str) -> None:
    """Refuse what is no flag, or what the study sets itself.

    Raises:
        UserError: it is one of these.
    """
    if not _FLAG.fullmatch(flag):
        raise UserError(f"{flag!r} is no flag; expected --flag=value; correct it")
    if sources.flag_name(flag) in _OURS:
        raise UserError(
            f"{flag} is not for an arm, because the study sets it; expected other flags of the "
            "run; drop it"
        )


def _source(given: str | None, flags: tuple[str, ...], keys: dict[str, str]) -> str:
    """The source an arm changes, told by itself, by its keys or by its flags."""
    told = [source for key, source in _TOLD.items() if key in keys]
    if given is not None:
        # Another program's flags may have the names of ours, and mean anything.
        known = ((), ()) if "command" in keys else (flags, told)
        sources.check_source(given.strip(), *known)
    if keys.get("experiment", PYTORCH) != PYTORCH:
        raise UserError(
            f"experiment={keys['experiment']} is no program for the task of a study; expected "
            f"experiment={PYTORCH}; for another program give command="
        )
    if not flags and not set(keys) & {"python", "resource", "experiment", "command"}:
        raise UserError("it has no flags; expected what it changes; add --flag=value")
    if given is not None:
        return given.strip()
    if keys.keys() & {"experiment", "command"}:
        return "framework"  # another program has flags of its own
    return sources.source_of(flags, told)
