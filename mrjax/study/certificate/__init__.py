"""Certificates: how far repeated trainings agree bit for bit, in words that a paper can print."""

from collections.abc import Sequence
from pathlib import Path

from mrjax.errors import UserError
from mrjax.study.certificate import pages
from mrjax.study.certificate.facts import certify
from mrjax.study.certificate.reading import read

_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def write(folder: Path | None, runs: Sequence[str]) -> Path:
    """Compare recorded trainings with the first of them, and write the certificate.

    Args:
        folder: to write into; None: ``certificate-`` and the first digits of its digest, here.
        runs: run folders, two to 26, of mrjax, of its recorder or of any program.

    Returns:
        The file with the plain text.

    Raises:
        UserError: too few or too many runs, one given twice, or a run folder that is damaged.
    """
    if not 2 <= len(runs) <= len(_LABELS):
        raise UserError(
            f"certificate with {len(runs)} run folders; expected 2 to {len(_LABELS)}; write "
            "certificate A B"
        )
    paths = [Path(run) for run in runs]
    resolved = [path.resolve() for path in paths]
    for place, path in enumerate(resolved):
        if path in resolved[:place]:
            raise UserError(
                f"{paths[place]} is given twice; expected different runs, since a run equals "
                "itself; drop it"
            )
    found = [read(label, path) for label, path in zip(_LABELS, paths, strict=False)]
    stated = certify(found)
    return pages.write(folder or Path(f"certificate-{stated.digest[:12]}"), found, stated)
