"""What a package says, once every byte of it is known to be that which its manifest lists."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.tasks.package import folder as folders
from mrjax.tasks.package import layout, schema
from mrjax.tasks.package.folder import refusal

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Content:
    """A package as its files have it.

    Attributes:
        folder: where it lies.
        config: content of ``config.json``.
        leaves: weights by path, which begins with ``params/`` or ``batch_stats/``.
        flags: text of ``flags.txt``.
        ledger: lines of ``ledger.jsonl``, one for each training step; none for an imported
            network.
        environment: content of ``environment.json``: where, and with which software and code, the
            network was trained.
        test_inputs: arrays of the test input by name, as the task gives them to its predictor.
        test_output: what the network makes of them on a CPU.
        card: text of ``README.md``.
        manifest: bytes of ``manifest.json``.
    """

    folder: Path
    config: Mapping[str, Any]
    leaves: Mapping[str, np.ndarray]
    flags: str
    ledger: list[dict[str, Any]]
    environment: Mapping[str, Any]
    test_inputs: Mapping[str, np.ndarray]
    test_output: np.ndarray
    card: str
    manifest: bytes

    @property
    def digest(self) -> str:
        """Sha256 of the manifest, the number that stands for the whole package."""
        return hashlib.sha256(self.manifest).hexdigest()


def is_package(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is meant to be a package: it has a manifest."""
    return os.path.lexists(Path(folder, layout.MANIFEST))


def read(folder: str | os.PathLike[str]) -> Content:
    """Read a package and check every file of it.

    Args:
        folder: the package.

    Returns:
        Its content. At most 500 MB of memory are used, whatever the folder holds.

    Raises:
        UserError: a file is missing, is not what the manifest lists, or does not hold what a
            package has there; one line names the file and the field.
    """
    path = Path(folder)
    if os.path.isdir(path) and not is_package(path):  # noqa: PTH112 is_dir raises for odd paths
        raise refusal(
            path,
            f"is no package (it has no {layout.MANIFEST})",
            "a folder that experiments.network package wrote",
            "correct the path",
        )
    manifest, files = folders.read_all(path)
    _check_manifest(path, manifest, files)

    def parsed(name: str, parse: Callable[[bytes], T]) -> T:
        try:
            return parse(files[name])
        except (ValueError, UserError) as error:
            raise refusal(path / name, "does not follow the format", str(error)) from error
        except RecursionError as error:
            raise refusal(path / name, "is nested too deeply", "a few levels") from error

    config = parsed(layout.CONFIG, schema.config)
    flags = parsed(layout.FLAGS, lambda text: schema.flags(text, config))
    environment = parsed(layout.ENVIRONMENT, schema.environment)
    card = parsed(layout.CARD, schema.text)
    ledger = parsed(layout.LEDGER, schema.ledger)
    inputs = parsed(layout.TEST_INPUT, lambda text: schema.inputs(text, config))
    output = parsed(layout.TEST_OUTPUT, schema.output)
    leaves = parsed(layout.WEIGHTS, lambda text: schema.leaves(text, config))
    return Content(path, config, leaves, flags, ledger, environment, inputs, output, card, manifest)


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest of files, by name."""
    entries = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    return layout.canonical({"schema_version": layout.SCHEMA_VERSION, "files": entries})


def _check_manifest(path: Path, manifest: bytes, files: Mapping[str, bytes]) -> None:
    """Refuse files that are not those of the manifest, or a manifest spelt in another way."""
    where = path / layout.MANIFEST
    try:
        found = jsonfile.parse(manifest)
    except ValueError as error:
        raise refusal(where, "is damaged", "JSON") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if type(version) is int and version > layout.SCHEMA_VERSION:
        raise refusal(
            where,
            f"is of version {version}",
            f"at most {layout.SCHEMA_VERSION}",
            "use a newer version of mrjax",
        )
    entries = found.get("files") if isinstance(found, dict) else None
    if not isinstance(entries, dict) or set(entries) != set(files):
        raise refusal(where, "does not list the files of a package", ", ".join(layout.FILES))
    for name, content in files.items():
        entry = entries[name]
        wanted = entry.get("sha256") if isinstance(entry, dict) else None
        if wanted != hashlib.sha256(content).hexdigest():
            raise refusal(path / name, "was changed", "the sha256 of manifest.json")
    if manifest != manifest_of(files):
        raise refusal(where, "is not spelt as manifests are", "its canonical JSON")
