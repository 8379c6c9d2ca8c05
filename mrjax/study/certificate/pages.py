"""A certificate on disk: text, Markdown, LaTeX, JSON and a figure."""

from pathlib import Path

from mrjax.runs import atomic
from mrjax.study.certificate import figure
from mrjax.study.certificate.facts import Certificate
from mrjax.study.certificate.reading import Run
from mrjax.study.certificate.words import paragraphs
from mrjax.study.report.tables import escaped

TITLE = "How far a training repeats"


def text(found: Certificate) -> str:
    """Return the certificate as plain text."""
    blocks = [TITLE, *(f"{head}\n{_indented(lines)}" for head, lines in paragraphs(found))]
    return "\n\n".join([*blocks, f"Digest of this statement: {found.digest}"]) + "\n"


def markdown(found: Certificate) -> str:
    """Return the certificate as Markdown."""
    blocks = [f"# {TITLE}"]
    for head, lines in paragraphs(found):
        blocks += [f"## {head}", "\n".join(f"- {line}" for line in lines)]
    blocks += [f"![Loss and its difference]({figure.NAME}.png)", f"Digest: `{found.digest}`"]
    return "\n\n".join(blocks) + "\n"


def latex(found: Certificate) -> str:
    """Return the certificate as paragraphs for LaTeX, to be pasted into a document."""
    blocks = [
        f"\\paragraph{{{escaped(head)}}}\n" + "\n".join(escaped(line) for line in lines)
        for head, lines in paragraphs(found)
    ]
    return "\n\n".join([*blocks, f"Digest: \\texttt{{{found.digest}}}"]) + "\n"


def write(folder: Path, runs: list[Run], found: Certificate) -> Path:
    """Write all forms of a certificate.

    Args:
        folder: to write into; made where it is absent.
        runs: that the certificate is about.
        found: the certificate.

    Returns:
        The file with the plain text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw(folder, runs, found)
    atomic.write_json(folder / "certificate.json", {**found.content, "digest": found.digest})
    atomic.write_text(folder / "certificate.md", markdown(found))
    atomic.write_text(folder / "certificate.tex", latex(found))
    page = folder / "certificate.txt"
    atomic.write_text(page, text(found))
    return page


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
