"""Write a package: the same run gives the same bytes, wherever it lies."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import atomic, ledger
from mrjax.sharing.package import card, cleaned, example, packed, signing, source
from mrjax.sharing.package.packed import Package
from mrjax.sharing.package.source import Source
from mrjax.tasks.package import layout, schema, tensors
from mrjax.tasks.package.content import manifest_of

LICENCE = "apache-2.0"


def write(run: Path, output: Path, licence: str = LICENCE, sign_key: Path | None = None) -> Package:
    """Make a package from a run folder.

    Args:
        run: run folder of a finished training, or of an imported network.
        output: folder to write, empty or absent.
        licence: under which the weights are given away, as the Hugging Face Hub names it.
        sign_key: file of a private key, see `mrjax.sharing.package.signing`; None: no signature.

    Returns:
        The package, read back.

    Raises:
        UserError: no package can be made from the run, or the folder cannot be written.
        RunFailed: the network fails on the test input.
    """
    card.check_licence(licence)
    if sign_key is not None:
        signing.check(sign_key)
    _check_output(output)
    found = source.read(run)
    environment = cleaned.environment(found)
    files = _files(found, environment, licence)
    _check_sizes(files)  # before the network is applied, which takes a while
    files |= example.made(run, environment)
    _check_sizes(files)
    files[layout.MANIFEST] = manifest_of(files)
    with _folder(output) as temporary:
        (temporary / layout.TEST).mkdir()
        for name, content in files.items():
            atomic.write_bytes(temporary / name, content)
        if sign_key is not None:
            signing.sign(temporary, sign_key)
        packed.read(temporary)
    return packed.read(output)


def _files(found: Source, environment: Mapping[str, Any], licence: str) -> dict[str, bytes]:
    """The files of a package but for its test input and output."""
    kept = cleaned.settings(found, packed.kind_of(found.task, found.settings))
    config = _config(found, kept)
    flags = cleaned.flags(_text(found.folder.flags), kept)
    page = card.render(config, environment, flags, licence)
    return {
        layout.CARD: page.encode(),
        layout.CONFIG: layout.readable(config),
        layout.ENVIRONMENT: layout.readable(environment),
        layout.FLAGS: flags.encode(),
        layout.LEDGER: _ledger(found),
        layout.WEIGHTS: tensors.dump(found.leaves),
    }


def _check_sizes(files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        if len(content) > layout.LIMITS[name]:
            raise UserError(
                f"{name} of the package would have {len(content)} bytes; expected at most "
                f"{layout.LIMITS[name]}, which every reader can hold; this run cannot be packed"
            )


def _config(found: Source, kept: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": layout.SCHEMA_VERSION,
        "task": found.task,
        "framework": found.framework,
        "level": found.result["level"],
        "settings": dict(kept),
        "fine_tuned": bool(found.settings.get("from_run")),
        "digest": found.digest,
        "constants": dict(found.constants),
        "result": _result(found),
        "test": {"source": "synthetic", "exact": kept.get("numerics") == "reproducible"},
    }


def _result(found: Source) -> dict[str, Any]:
    """What the run found; subjects of files get numbers, as their names may be patients'."""
    whole = found.result
    result = {name: whole[name] for name in ("steps", "metrics", "baselines", "digests")}
    names = whole["subjects"]
    result["subjects"] = (
        names if found.synthetic else [f"subject_{i:03d}" for i in range(1, len(names) + 1)]
    )
    if "data" in whole:
        result["data"] = {name: whole["data"][name] for name in schema.COUNTS}
    if found.imported:
        result[schema.ORIGIN] = Path(str(whole["extra"][schema.ORIGIN])).name
    return result


def _ledger(found: Source) -> bytes:
    """The lines of the ledger; an imported network has none."""
    if not found.folder.ledger.is_file():
        if found.result["steps"]:
            raise UserError(
                f"{found.folder.ledger} is missing; expected the ledger of the training; copy the "
                "run folder again"
            )
        return b""
    lines = [
        {name: line[name] for name in schema.LEDGER} for line in ledger.read(found.folder.ledger)
    ]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read; expected the flags of the run; copy the run folder again"
        ) from error


def _check_output(output: Path) -> None:
    with _failures(output):
        there = os.path.lexists(output) and (not output.is_dir() or any(output.iterdir()))
    if there:
        raise UserError(
            f"--output={output} is not empty; expected an empty or absent folder; choose another"
        )


@contextlib.contextmanager
def _folder(output: Path) -> Iterator[Path]:
    """Give a folder that becomes `output` when the block ends without an error."""
    target = output.absolute()
    with _failures(output):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".package-", dir=target.parent))
    try:
        yield temporary
        with _failures(output):
            temporary.chmod(0o755)
            temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def _failures(output: Path) -> Iterator[None]:
    """Turn what the file system refuses into the user's mistake."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or "not a path"
        raise UserError(
            f"--output={output} cannot be written ({reason}); expected an empty or absent folder "
            "to write the package to; choose another"
        ) from error
