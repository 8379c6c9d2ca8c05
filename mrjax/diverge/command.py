"""``diverge``: from two run folders to the first step and operation in which they part."""

from pathlib import Path

from mrjax.diverge import report, words
from mrjax.diverge.report import Report


def run(a: Path, b: Path, out: str = "") -> str:
    """Say where two recorded trainings part.

    Args:
        a: run folder.
        b: another one.
        out: folder to write the page, its figures and the report as JSON into; "": none.

    Returns:
        Lines of text.

    Raises:
        UserError: a folder is not a run folder, a file in it is damaged, or `out` is not writable.
    """
    found = compare(a, b)
    told = text(found)
    return f"{told}\nPage: {write(found, Path(out))}" if out else told


def compare(a: Path, b: Path, traces: tuple[Path, Path] | None = None) -> Report:
    """Compare two run folders; see `mrjax.diverge.report.compare`.

    Args:
        a: run folder.
        b: another one.
        traces: folders with the traces of the two, where these are not in the run folders.
    """
    return report.compare(a, b, traces)


def text(found: Report) -> str:
    """Return a report as lines of text."""
    return "\n".join(words.lines(found))


def write(found: Report, folder: Path) -> Path:
    """Write ``diverge.json``, ``diverge.html`` and the figures.

    Args:
        found: the report.
        folder: the folder to write into; it is made if absent.

    Returns:
        The path of ``diverge.html``.

    Raises:
        UserError: the folder is not writable, or jinja2 is not installed.
    """
    from mrjax.diverge import page

    return page.write(found, folder)
