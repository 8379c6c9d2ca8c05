"""The report as one HTML file: nothing to load, nothing that runs."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrjax.errors import UserError
from mrjax.runs import atomic, html
from mrjax.study.report import tables
from mrjax.study.report.style import RESOLUTION
from mrjax.study.report.tables import Table

_TEMPLATE = Path(__file__).with_name("page.html.j2")

_MARK = '<meta name="generator" content="mrjax">'
_PIXELS = 140  # of the page for an inch of a figure


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        name: anchor.
        title: heading.
        paragraphs: text before figures and tables.
        points: items of a list below the paragraphs.
        figures: names of PNG files without ending, each with its caption.
        tables: shown last, in this order.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()


def captioned(files: Sequence[str], caption: str) -> tuple[tuple[str, str], ...]:
    """Give all pages of one figure its caption, with the number of the page if there are several.

    Args:
        files: names of the pages without ending.
        caption: without a full stop.
    """
    pages = len(files)
    return tuple(
        (name, f"{caption}{f' (page {number} of {pages})' if pages > 1 else ''}.")
        for number, name in enumerate(files, 1)
    )


def publish(
    folder: Path, title: str, subtitle: str, make: Callable[[Path], Iterable[Section]]
) -> Path:
    """Write figures, tables and ``index.html``; an older page in the folder is replaced.

    Args:
        folder: of the page, made where absent.
        title: of the page.
        subtitle: one line below it.
        make: writes the figures into the folder and gives the sections in order.

    Returns:
        ``index.html``.

    Raises:
        UserError: the folder is not writable or holds another page, or jinja2 is not installed.
    """
    try:
        _empty(folder)
        sections = list(make(folder))
        for section in sections:
            tables.write(folder, section.tables)
        return _write(folder, title, subtitle, sections)
    except OSError as error:
        raise UserError(
            f"{folder} is not writable ({error.strerror}); expected a folder to write the report "
            "into; change its permissions or copy the study"
        ) from error


def _empty(folder: Path) -> None:
    """Remove an older report, and nothing else: figures of arms that are gone must not stay.

    A page that is begun says so until it is whole; if it never is, the next report replaces it.
    """
    index = folder / "index.html"
    if index.exists():
        if _MARK not in index.read_text(encoding="utf-8", errors="replace"):
            raise UserError(
                f"{index} is no report of mrjax; expected an older report or none, for the whole "
                "folder is replaced; move it or choose another folder"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(index, f"{_MARK}\n<p>Begun and not finished: repeat the command.</p>\n")


def _write(folder: Path, title: str, subtitle: str, sections: Sequence[Section]) -> Path:
    """The page, with the figures inside it."""
    shown = sorted({name for section in sections for name, _ in section.figures})
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in shown}
    text = html.template(_TEMPLATE, "a report").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        images={name: html.inlined(content) for name, content in pictures.items()},
        widths={name: _width(content) for name, content in pictures.items()},
    )
    path = folder / "index.html"
    atomic.write_text(path, text)
    return path


def _width(png: bytes) -> int:
    """Pixels on the page, the same scale for all figures so that letters have one size."""
    return round(int.from_bytes(png[16:20], "big") / RESOLUTION * _PIXELS)
