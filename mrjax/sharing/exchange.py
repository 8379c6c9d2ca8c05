"""Networks of the public PyTorch VarNet as run folders, and back. Needs PyTorch."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mrjax.errors import UserError
from mrjax.pytorch import startup


def take_over(file: Path, workdir: Path) -> str:
    """Store a network of the public PyTorch VarNet as a finished run.

    Args:
        file: its state_dict; no code in it is run.
        workdir: run folder to write, empty or absent.

    Returns:
        What was found, and the command that judges it.

    Raises:
        UserError: PyTorch is not installed, the file holds no such network, or a file or folder
            cannot be read or written.
    """
    startup.require_torch()
    from mrjax.pytorch import public_varnet
    from mrjax.tasks.varnet import exchange

    with _files():
        leaves = public_varnet.read_state_dict(file)
        config = exchange.store(leaves, workdir, file.name)
    flags = ["--preset=paper", *exchange.advice(config), "--steps=0"]
    return (
        f"{config.stages} stages of {config.width} filters: {workdir}\n"
        f"judge it with {' '.join(flags)} --from_run={workdir}"
    )


def hand_out(file: Path, from_run: Path) -> str:
    """Write the network of a finished run as a state_dict of the public PyTorch VarNet.

    Args:
        file: to write.
        from_run: run folder of a variational network.

    Returns:
        The file's path.

    Raises:
        UserError: PyTorch is not installed, the run is none of a variational network, or a file
            cannot be read or written.
    """
    startup.require_torch()
    from mrjax.pytorch import public_varnet
    from mrjax.tasks.varnet import exchange

    with _files():
        public_varnet.write_state_dict(file, exchange.load(from_run))
    return str(file)


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
