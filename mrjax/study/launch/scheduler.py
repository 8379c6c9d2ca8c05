"""Slurm's commands, as far as studies need them."""

import shutil
import subprocess
from collections.abc import Sequence

from mrjax.errors import RunFailed, UserError


def require() -> None:
    """Make sure that Slurm's commands are there.

    Raises:
        UserError: they are not.
    """
    for program in ("sbatch", "squeue"):
        if shutil.which(program) is None:
            raise UserError(
                f"--launcher=slurm finds no {program}; expected a machine from which Slurm jobs "
                "are submitted; use --launcher=local"
            )


def submit(options: Sequence[str], script: str) -> str:
    """Submit a script.

    Args:
        options: of sbatch.
        script: path of the script.

    Returns:
        Number of the job.

    Raises:
        RunFailed: Slurm refuses it.
    """
    return _output(["sbatch", "--parsable", *options, script]).split(";")[0].strip()


def queued() -> set[str]:
    """Array tasks of this user that wait or run, as ``<job>_<index>``.

    Raises:
        RunFailed: Slurm does not answer.
    """
    text = _output(["squeue", "--me", "--noheader", "--array", "--format=%F_%K"])
    return set(text.split())


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RunFailed(
            f"{command[0]}: {said}; expected Slurm to accept it; correct it and repeat the command"
        )
    return done.stdout
