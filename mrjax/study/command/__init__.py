"""The command line of studies: from its words to an exit code; see `experiments/study.py`."""

import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from absl.flags import FlagValues

from mrjax import command
from mrjax.errors import UserError
from mrjax.study.command import flags, launching, planning, results
from mrjax.study.plan import recipes

ACTIONS = ("recipes", "plan", "run", "status", "collect", "report", "compare", "certificate")
_WITHOUT_FOLDERS = ("recipes", "plan", "run", "status")
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""What can go wrong with a disk while nobody is to blame."""


def run(argv: Sequence[str], about: str | None) -> int:
    """Do what the command line asks for.

    Args:
        argv: its words, without the program.
        about: what ``--help`` shows above the flags.

    Returns:
        The exit code, as in `mrjax.command`.
    """
    return command.exit_code(lambda: _run(argv, about))


def _run(argv: Sequence[str], about: str | None) -> int:
    asked = flags.define()
    try:
        words = command.parsed(asked, recipes.replaced(argv))
        if asked.help:
            sys.stdout.write(f"{about or ''} {asked.get_help()}\n")
            return 0
        return _act(asked, words)
    except OSError as error:
        if error.errno in _DISK or not error.filename:
            raise  # no file that the user named: a defect, or a disk that is full
        raise UserError(
            f"{error.filename}: {error.strerror}; expected a place to read and write; choose "
            "another path"
        ) from error


def _act(asked: FlagValues, words: Sequence[str]) -> int:
    if not words or words[0] not in ACTIONS:
        raise UserError(
            f"{' '.join(words[:1]) or 'nothing'} is no action; expected one of "
            f"{', '.join(ACTIONS)}; see --help"
        )
    action, *folders = words
    if folders and action in _WITHOUT_FOLDERS:
        raise UserError(f"unknown argument {folders[0]}; expected flags only; write --flag=value")
    match action:
        case "recipes":
            sys.stdout.write(f"{recipes.table()}\n")
            return 0
        case "plan":
            return planning.plan(_study_dir(asked), asked)
        case "run":
            return launching.run(_study_dir(asked), asked)
        case "status":
            return results.status(_study_dir(asked))
        case "certificate":
            return results.certificate(folders, asked)
        case "compare":
            return results.compare(_compared_in(asked, folders), folders, asked)
        case _:
            return results.gather(_study_dir(asked), folders, asked, report=action == "report")


def _study_dir(asked: FlagValues) -> Path:
    if asked.study:
        return Path(asked.study)
    if asked.name:
        return Path("runs", "studies", asked.name)
    raise UserError("neither --study nor --name; expected the directory of the study; give one")


def _compared_in(asked: FlagValues, folders: Sequence[str]) -> Path:
    """Where a comparison is written: --study, or the study that both folders are arms of."""
    if len(folders) != 2:
        raise UserError(
            f"compare with {len(folders)} folders; expected two, A and B, each with run folders; "
            "write compare A B --study=DIR"
        )
    found = None if asked.study or asked.name else results.common_study(folders)
    return found or _study_dir(asked)
