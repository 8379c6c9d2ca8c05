"""One restart of the process, so that JAX finds the planned environment."""

import json
import os
import sys

from mrjax.backend.flagtext import probe
from mrjax.backend.planning import plan
from mrjax.config import RunConfig

_GUARD = "MRJAX_RESTARTED"


def reexec(config: RunConfig) -> None:
    """Start this process again in the planned environment; return at once after the restart.

    A variable with the process id, which `os.execve` keeps, tells that the restart has happened; a
    child process inherits the variable but has another id, so it makes a plan of its own.
    ``python -m`` keeps working because `sys.orig_argv` holds the interpreter's own arguments too.

    Args:
        config: the checked configuration.

    Raises:
        UserError: no such environment is possible, or XLA does not know a flag.
    """
    if notes() is not None:
        return
    planned = plan(config, os.environ)
    if planned.environ.get("XLA_FLAGS"):
        probe(planned.environ["XLA_FLAGS"], planned.environ)
    guard = json.dumps({"pid": os.getpid(), "notes": planned.notes})
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, sys.orig_argv, {**planned.environ, _GUARD: guard})


def notes() -> list[str] | None:
    """Return the notes of the plan with which this process was restarted; None if it was not."""
    guard = json.loads(os.environ.get(_GUARD, "null"))
    return guard["notes"] if guard and guard["pid"] == os.getpid() else None
