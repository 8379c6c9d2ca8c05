"""The command that makes one run, in whatever language its program is written."""

import os
import sys
from pathlib import Path

from mrjax.study.plan import arms
from mrjax.study.records import STUDY_DIR, Arm, Run, Study

_OURS = "{python} -m experiments."


def command(
    study_dir: str | os.PathLike[str],
    study: Study,
    run: Run,
    *,
    allow_mixed: bool = False,
    python: str = "",
) -> list[str]:
    """Return the command line of one run.

    Args:
        study_dir: the study.
        study: its plan.
        run: one of its runs.
        allow_mixed: go on with an unfinished run although code or environment changed.
        python: interpreter if the arm names none; "" for the present one.

    Raises:
        UserError: the template of a foreign program cannot be read.
    """
    arm, root = study.arm(run.arm), Path(study_dir).absolute()
    template = _template(study, arm)
    flags = [flag.replace(STUDY_DIR, str(root)) for flag in run.argv]
    if allow_mixed and template.startswith(_OURS):
        flags.append("--allow_mixed")
    workdir = str(root / run.workdir)
    interpreter = arm.python or python or sys.executable
    words = [word.replace("{python}", interpreter) for word in arms.words(template)]
    if "{flags}" not in words:
        words.append("{flags}")
    if not any("{workdir}" in word for word in words):
        words.append("--workdir={workdir}")
    filled = [flags if word == "{flags}" else [word] for word in words]
    return [word.replace("{workdir}", workdir) for part in filled for word in part]


def _template(study: Study, arm: Arm) -> str:
    return arm.command or study.command or f"{_OURS}{study.experiment}"
