"""Networks of public PyTorch programs as run folders, and back. Needs PyTorch."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.pytorch import startup


def take_over(task: str, file: Path, workdir: Path) -> str:
    """Store a network of a public program as a finished run.

    Args:
        task: whose network it is.
        file: its state_dict; no code in it is run.
        workdir: run folder to write, empty or absent.

    Returns:
        What was found, and the command that judges it.

    Raises:
        UserError: PyTorch is not installed, the file holds no such network, or a file or folder
            cannot be read or written.
    """
    startup.require_torch()
    from mrjax.tasks import exchange

    public = _public(task)
    with _files():
        config, leaves = public.read(file)
        exchange.store(config, leaves, public.constants, workdir, file.name)
    flags = ["--preset=paper", *exchange.advice(config, public.architecture), "--steps=0"]
    return (
        f"{public.words(config)}: {workdir}\njudge it with {' '.join(flags)} --from_run={workdir}"
    )


def hand_out(task: str, file: Path, from_run: Path) -> str:
    """Write the network of a finished run as a state_dict of a public program.

    Args:
        task: whose network it is.
        file: to write.
        from_run: run folder of such a network.

    Returns:
        The file's path.

    Raises:
        UserError: PyTorch is not installed, the run is of another network, or a file cannot be
            read or written.
    """
    startup.require_torch()
    from mrjax.tasks import exchange

    public = _public(task)
    with _files():
        public.write(file, exchange.load(task, from_run))
    return str(file)


def _public(task: str) -> Any:
    return importlib.import_module(f"mrjax.pytorch.exchange.{task}").PUBLIC


@contextlib.contextmanager
def _files() -> Iterator[None]:
    """Turn what the file system refuses into the user's mistake."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{error.filename or 'a file'} cannot be read or written ({error.strerror}); expected "
            "files and folders open to you; choose others"
        ) from error
