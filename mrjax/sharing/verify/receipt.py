"""The receipt of a verification: what was checked, where and with which result, in one file."""

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mrjax.runs import atomic, environment
from mrjax.sharing.verify.findings import Finding, code, conclusion

SCHEMA_VERSION = 1
DIGEST = "digest"
_PATH = re.compile(r"(?<![\w.)>])/[^\s,;:)'\"]+")
"""An absolute path in a sentence."""


def content(digest: str, package: Any, found: Iterable[Finding], root: Path) -> dict[str, Any]:
    """Return a receipt without its digest; it names no host, user or folder.

    Args:
        digest: digest of the package.
        package: `mrjax.sharing.package.Package`; None if it could not be read.
        found: all findings.
        root: folder of mrjax.
    """
    found = list(found)
    here = environment.capture({}, root)
    return {
        "schema_version": SCHEMA_VERSION,
        "package": digest,
        "network": {
            "task": package and package.task,
            "framework": package and package.framework,
            "level": package and package.level,
        },
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verified": code(found) == 0,
        "conclusion": conclusion(found, digest),
        "checks": [_private(one) for one in found],
        "machine": {
            "cpu": here["cpu"]["model"],
            "system": platform.system(),
            "python": here["python"],
            "code": here["code"],
        },
    }


def _private(one: Finding) -> dict[str, Any]:
    """A finding without the folders of this machine."""
    content = one.content()
    return content | {"said": _PATH.sub("<path>", content["said"])}


def write(path: Path, receipt: dict[str, Any]) -> str:
    """Write a receipt with its digest, and return the digest.

    The digest is the sha256 of the other entries as canonical JSON: sorted keys, no blanks, ASCII.
    """
    text = json.dumps(receipt, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    atomic.write_json(path, receipt | {DIGEST: digest})
    return digest
