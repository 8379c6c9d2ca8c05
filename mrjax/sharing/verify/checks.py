"""Checks that need no computation: the files of a package, a printed digest, a signature."""

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.errors import UserError
from mrjax.runs import digests
from mrjax.sharing import package as packages
from mrjax.sharing.verify.findings import FAILED, NOT_ASKED, NOT_MADE, PASSED, Finding
from mrjax.tasks.package import is_package

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
FILES, ORIGIN, SIGNED = "files", "origin", "signature"
LEAST_DIGITS = 16


def files(folder: Path) -> tuple[Finding, Any]:
    """Read a package and compare its files with each other.

    Args:
        folder: the package.

    Returns:
        The finding, and the package, None if a file is damaged.

    Raises:
        UserError: the folder is no package.
    """
    if not is_package(folder):
        raise UserError(
            f"{folder} is no package (it has no {MANIFEST}); expected a folder written by "
            "experiments.network package; correct the path"
        )
    try:
        found = packages.read(folder)
        wrong = contradictions(found)
    except UserError as error:
        return Finding(FILES, FAILED, str(error)), None
    if wrong:
        said = "; ".join(wrong)
        return Finding(FILES, FAILED, f"{said}.", {"contradictions": wrong}), found
    said = (
        "Every file has the sha256 in manifest.json, and settings, result, weights and ledger do "
        "not contradict each other. This shows that the files belong together, not who made them."
    )
    return Finding(FILES, PASSED, said), found


def contradictions(package: Any) -> list[str]:
    """Return what contradicts itself in a package whose files have the sha256 of the manifest.

    Args:
        package: `mrjax.sharing.package.Package`.

    Returns:
        One phrase for each contradiction, beginning with file and field.
    """
    weights = _weights(package)
    found = _of_result(package, weights) + _of_ledger(package, weights)
    if not np.all(np.isfinite(np.asarray(package.test_output, np.complex128))):
        found.append("test/output.safetensors: an element is not finite")
    return found


def _weights(package: Any) -> dict[str, np.ndarray]:
    params, stats = package.weights.params, package.weights.batch_stats or {}
    return {f"params/{k}": v for k, v in params.items()} | {
        f"batch_stats/{k}": v for k, v in stats.items()
    }


def _of_result(package: Any, weights: dict[str, np.ndarray]) -> list[str]:
    found = []
    steps = package.settings.get("steps")
    if steps is not None and steps != package.result["steps"]:
        found.append(f"config.json, settings.steps: {steps} contradicts result.steps")
    wanted, is_ = package.result["digests"]["params"], digests.content(weights)
    if wanted != is_:
        found.append(
            f"model.safetensors: the weights have the digest {is_[:16]}, config.json, "
            f"result.digests.params {wanted[:16]}"
        )
    return found


def _of_ledger(package: Any, weights: dict[str, np.ndarray]) -> list[str]:
    steps = [line["step"] for line in package.ledger]
    if steps != list(range(1, package.result["steps"] + 1)):
        return [
            f"ledger.jsonl, step: {len(steps)} lines, config.json has result.steps "
            f"{package.result['steps']}"
        ]
    if not steps or not package.exact:
        # XLA may round the parameters of native arithmetic otherwise where it takes their digest
        # than where it stores them: a VarNet's last line need not be that of its weights.
        return []
    last, is_ = package.ledger[-1]["params"], digests.hex64(digests.fingerprint(weights))
    if last != is_:
        return [
            f"ledger.jsonl, step {steps[-1]}, params: {last}, but the weights in "
            f"model.safetensors have {is_}"
        ]
    return []


def origin(asked: str, digest: str) -> Finding:
    """Compare the package's digest with one that was printed elsewhere.

    Args:
        asked: at least `LEAST_DIGITS` digits, or "".
        digest: digest of the package.

    Raises:
        UserError: the text is no such digest.
    """
    if not asked:
        said = (
            "Whoever changes a package can make its files fit again. The digest shows the origin "
            f"if its author printed it: compare {digest}, or give it with --digest."
        )
        return Finding(ORIGIN, NOT_ASKED, said)
    if not re.fullmatch(f"[0-9a-f]{{{LEAST_DIGITS},64}}", asked):
        raise UserError(
            f"--digest={asked} is no digest; expected {LEAST_DIGITS} to 64 hex digits in lower "
            "case; copy it from the paper"
        )
    if not digest.startswith(asked):
        return Finding(ORIGIN, FAILED, f"{MANIFEST} has the digest {digest}, not {asked}.")
    return Finding(ORIGIN, PASSED, f"{MANIFEST} has the digest that was given.")


def signature(folder: Path, public_key: str) -> Finding:
    """Check the signature of the manifest with a public key.

    Args:
        folder: the package.
        public_key: file with an elliptic-curve key in PEM; "": not asked for.
    """
    signed, key = (folder / SIGNATURE).is_file(), Path(public_key)
    if not public_key:
        said = "There is one; --public_key=FILE checks it." if signed else "There is none."
        return Finding(SIGNED, NOT_ASKED, said)
    if not os.path.isfile(key):  # noqa: PTH113 is_file raises for odd paths
        raise UserError(f"--public_key={key} is no file; expected a key in PEM; correct the path")
    if not signed:
        return Finding(SIGNED, FAILED, f"{SIGNATURE} is missing.")
    if importlib.util.find_spec("model_signing") is None:
        said = "It needs the package model-signing: pip install model-signing."
        return Finding(SIGNED, NOT_MADE, said)
    return _verified(folder, key)


def _verified(folder: Path, key: Path) -> Finding:
    """Ask model-signing."""
    try:
        from model_signing import verifying  # type: ignore[import-not-found]

        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
        config.verify(folder / MANIFEST, folder / SIGNATURE)
    except ImportError as error:
        return Finding(SIGNED, NOT_MADE, f"model-signing is not installed whole: {error}.")
    except Exception as error:  # it raises its own and its libraries' kinds
        return Finding(SIGNED, FAILED, f"{SIGNATURE}: {' '.join(str(error).split())}")
    return Finding(SIGNED, PASSED, f"{MANIFEST} was signed with the private key of {key.name}.")
