"""All checks of one package, in order, and their receipt."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrjax import children
from mrjax.errors import UserError
from mrjax.runs import jsonfile, ledger
from mrjax.runs.lock import Lock
from mrjax.sharing import outputs
from mrjax.sharing.package import variables
from mrjax.sharing.verify import checks, child, receipt, settings, verdict
from mrjax.sharing.verify.findings import NOT_ASKED, NOT_MADE, Finding, code, conclusion

EVERY = "all"
RUNS = Path("runs", "verify")
"""What the checks compute is kept below this folder, in one folder for each package."""


class Asked(NamedTuple):
    """What the command line asks for.

    Attributes:
        folder: the package.
        digest: printed digest; "": none.
        retrain: number of steps, `EVERY`, or "" for none.
        receipt: file to write; "": none.
        data_dir: folder of the training data; "": none.
        public_key: file; "": none.
    """

    folder: Path
    digest: str = ""
    retrain: str = ""
    receipt: str = ""
    data_dir: str = ""
    public_key: str = ""


def run(asked: Asked) -> int:
    """Check a package, say each finding as it is known, and write the receipt.

    Args:
        asked: the command line.

    Returns:
        0 if everything asked for passed; 1 if something is damaged or comes out otherwise; 3 if
        something could not be checked; 128 + n when signal n asked to stop.

    Raises:
        UserError: the command line or the folder cannot be used.
    """
    _check(asked)
    found: list[Finding] = []

    def tell(one: Finding) -> None:
        found.append(one)
        sys.stdout.write(f"{one.line}\n")
        sys.stdout.flush()

    first, package = checks.files(asked.folder)
    if package is None:
        tell(first)
        return _ended(asked, package, found)
    steps = _steps(asked, package)
    tell(first)
    tell(checks.origin(asked.digest, package.digest))
    tell(checks.signature(asked.folder, asked.public_key))
    if code([first]):  # nothing in a contradictory package is computed with
        return _ended(asked, package, found)
    out = (RUNS / package.digest[:12]).absolute()
    with _alone(out):
        stopped = _computed(asked, package, steps, out, tell)
    if stopped:
        return 128 + stopped
    sys.stdout.write(f"what was computed: {out}\n")
    return _ended(asked, package, found)


def _check(asked: Asked) -> None:
    """Refuse what is wrong before anything is computed."""
    checks.origin(asked.digest, "")
    if asked.receipt:
        outputs.check_new("receipt", Path(asked.receipt))
    if asked.retrain not in ("", EVERY) and not re.fullmatch("[0-9]{1,9}", asked.retrain):
        raise UserError(
            f"--retrain={asked.retrain} is no number of steps; expected one, or {EVERY}; correct it"
        )


def _steps(asked: Asked, package: Any) -> int:
    """Return how many steps are taken again; 0: none."""
    every = package.result.get("steps", 0)
    steps = every if asked.retrain == EVERY else int(asked.retrain or 0)
    if asked.retrain and not 1 <= steps <= every:
        raise UserError(
            f"--retrain={asked.retrain} of a network with {every} training steps; expected 1 to "
            f"{every}, or {EVERY}; correct it or drop --retrain"
        )
    if steps and package.fine_tuned:
        raise UserError(
            "the training began with another network (--from_run), which the package does not "
            "hold; expected a network trained from its first step; drop --retrain"
        )
    if steps and package.settings.get("processes", 1) > 1 and not package.exact:
        raise UserError(
            f"--processes={package.settings['processes']} trained the network, in native "
            "arithmetic; expected one process, which verify can start; drop --retrain"
        )
    dataset = package.settings.get("dataset", "synthetic")
    if steps and dataset != "synthetic" and not asked.data_dir:
        raise UserError(
            f"the network was trained with files (--dataset={dataset}), which no package holds; "
            "expected their folder; give --data_dir=DIR or drop --retrain"
        )
    if asked.data_dir and (not steps or dataset == "synthetic"):
        raise UserError(
            f"--data_dir={asked.data_dir} has no effect: no files are trained with; expected "
            "--retrain of a network of files; drop it"
        )
    return steps


def _computed(
    asked: Asked, package: Any, steps: int, out: Path, tell: Callable[[Finding], None]
) -> int | None:
    """Infer, and train if asked for; return the signal that asked to stop, if one did."""
    ended = _child(package, "infer", out / verdict.INFERENCE)
    if ended.signal:
        return ended.signal
    tell(_inferred(package, ended, out / verdict.INFERENCE))
    if not steps:
        tell(Finding(verdict.RETRAINING, NOT_ASKED, "--retrain=K takes K steps again."))
        return None
    data = [f"--data_dir={Path(asked.data_dir).absolute()}"] if asked.data_dir else []
    ended = _child(package, str(steps), out / verdict.RETRAINING, *data)
    if ended.signal:
        return ended.signal
    tell(_retrained(package, steps, ended, out / verdict.RETRAINING))
    return None


def _child(package: Any, what: str, out: Path, *flags: str) -> children.Ended:
    """Compute in a process of its own, in the package's environment; what it wrote is kept."""
    _make(out)
    folder = Path(package.folder).absolute()
    command = [sys.executable, "-m", "mrjax.sharing.verify", what, str(folder), str(out), *flags]
    with (out / "log.txt").open("w", encoding="utf-8") as log:

        def on_line(line: str) -> None:
            log.write(f"{line}\n")
            if line.startswith("step "):
                sys.stderr.write(f"{line}\n")

        return children.run(command, variables.environ(package.environment), on_line)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes from a folder, whose results they would take for their own."""
    with _refusals(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock = Lock(out / ".lock")
        except UserError as error:
            raise UserError(
                f"another process writes what it computes to {out}; expected one for each package; "
                "wait for it, or start the command in another folder"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _make(out: Path) -> None:
    """Make the folder of what a child computes, without what an earlier one left."""
    with _refusals(out):
        out.mkdir(parents=True, exist_ok=True)
        for name in (child.ENVIRONMENT, child.OUTPUT, child.LEDGER, child.RETRAINED):
            (out / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _refusals(out: Path) -> Iterator[None]:
    """Turn what the file system refuses into the user's mistake."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{out} cannot be written ({error.strerror}), where the results are kept; expected a "
            "folder open to you; start the command in another one"
        ) from error


def _inferred(package: Any, ended: children.Ended, out: Path) -> Finding:
    if ended.code:
        return _does_not_run(verdict.INFERENCE, ended, out)
    output = np.load(out / child.OUTPUT, allow_pickle=False)
    config = settings.applied(package)
    return verdict.inference(package, config, output, _differences(package, out))


def _retrained(package: Any, steps: int, ended: children.Ended, out: Path) -> Finding:
    done = out / child.RETRAINED
    if ended.code and not done.exists():
        return _does_not_run(verdict.RETRAINING, ended, out)
    begun = jsonfile.read(done, "the outcome of a retraining", "repeat the command")["digests"]
    lines = ledger.read(out / child.LEDGER) if (out / child.LEDGER).exists() else []
    differences = _differences(package, out)
    found = verdict.retraining(package, steps, lines, begun, differences)
    if ended.code and found.outcome == NOT_MADE:
        return _does_not_run(verdict.RETRAINING, ended, out)
    return found


def _does_not_run(check: str, ended: children.Ended, out: Path) -> Finding:
    last = ended.last.removeprefix("error: ") or f"exit code {ended.code}"
    said = f"It does not run here, which says nothing about its results: {last} ({out / 'log.txt'})"
    return Finding(check, NOT_MADE, said, {"code": ended.code})


def _differences(package: Any, out: Path) -> list[str]:
    """Return how the child's environment differs from that of the package."""
    here = jsonfile.read(out / child.ENVIRONMENT, "an environment", "repeat the command")
    return settings.differences(package.environment, here)


def _ended(asked: Asked, package: Any, found: list[Finding]) -> int:
    digest = package.digest if package else "(not known)"
    if asked.receipt:
        content = receipt.content(digest, package, found, variables.ROOT)
        file = Path(asked.receipt)
        with outputs.refusals("receipt", file):
            own = receipt.write(file, content)
        sys.stdout.write(f"receipt {own}: {asked.receipt}\n")
    sys.stdout.write(f"{conclusion(found, digest)}\n")
    return code(found)
