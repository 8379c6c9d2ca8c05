"""mrjax/study/README.md names every file, field and column that a study writes, and no other."""

import csv
import json
import re
from pathlib import Path

import pytest
from study import example_study, two_sets
from study import synthetic_runs as made

from mrjax import study
from mrjax.study import certificate, compare
from mrjax.study.gather import csvfiles

pytest.importorskip("jinja2", reason="needs the extra report")

PAGE = Path(__file__).resolve().parents[2] / "mrjax" / "study" / "README.md"
PNG = bytes(24)  # as much of a figure as the page looks at
TABLES = ("results.csv", "digests.csv", "timing.csv", "environment.csv")


def listed(text: str) -> list[str]:
    """Words in backquotes in the first column of the tables of a text, in order."""
    rows = re.findall(r"^\| (.+?) \|", text, flags=re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def sections() -> dict[str, str]:
    """Heading of each file -> the text below it."""
    parts = re.split(r"^##+ (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def pattern(name: str) -> re.Pattern[str]:
    """A name of the page, in which ARM, METRIC and SOURCE stand for any text."""
    return re.compile(re.sub(r"(?<![A-Za-z])(ARM|METRIC|SOURCE)\b", ".+", re.escape(name)))


def header(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return next(csv.reader(file))


def reported(folder: Path) -> None:
    study.write_report(folder / "report", study.load(folder))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Reports of studies that have something for every table, without the figures' pixels."""
    from matplotlib.figure import Figure

    def save(_, path, **options):
        Path(path).write_bytes(PNG)

    root = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Figure, "savefig", save)
        example_study.make(root / "levels", replicates=2)
        reported(root / "levels")
        reported(example_study.make_crossed(root / "crossed", levels=2))
        sides = compare.load(*two_sets.make(root / "sets", replicates=2))
        compare.write(root / "sets" / "compare", sides)
    return root


@pytest.fixture(scope="module")
def written(folders) -> dict[str, list[Path]]:
    """``report`` and ``compare`` -> all files written there."""
    return {
        name: [path for path in folders.glob(f"*/{name}/*") if path.name != "index.html"]
        for name in ("report", "compare")
    }


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_of_the_tables(name, tmp_path):
    made.make(tmp_path / "s", made.study([made.arm("init", "init")], 1), steps=5)
    csvfiles.write(tmp_path / "s", study.load(tmp_path / "s"))
    assert listed(sections()[name]) == header(tmp_path / "s" / name)


def test_the_fields_of_a_plan(tmp_path):
    made.make(tmp_path / "s", made.study([made.arm("init", "init")], 1), steps=5)
    plan = json.loads((tmp_path / "s" / "study.json").read_text())
    of_study, of_arm = sections()["study.json"].split("Fields of an arm:")
    assert sorted(listed(of_study)) == sorted(plan)
    assert sorted(listed(of_arm)) == sorted(plan["arms"][0])
    run = json.loads((tmp_path / "s" / "runs.jsonl").read_text().splitlines()[0])
    assert sorted(listed(sections()["runs.jsonl"])) == sorted(run)


def test_the_fields_of_a_certificate(tmp_path):
    made.make(tmp_path / "s", made.study([made.arm("init", "init")], 2), steps=5)
    runs = [str(tmp_path / "s" / "runs" / "baseline" / label) for label in ("000", "001")]
    page = certificate.write(tmp_path / "out", runs)
    written = json.loads(page.with_suffix(".json").read_text())
    of_whole, of_pair = sections()["certificate.json"].split("Fields of a pair:")
    assert sorted(listed(of_whole)) == sorted(written)
    assert sorted(listed(of_pair)) == sorted(written["pairs"][0])
    text = re.sub(r"\s+", " ", of_whole)
    assert all(f"`{name}`" in text for about in written["runs"].values() for name in about)


def same_columns(described: list[str], found: list[str], path: Path) -> bool:
    if path.stem == "classical":  # then a column for each metric
        return described == found[:1]
    return len(described) == len(found) and all(
        pattern(one).fullmatch(other) for one, other in zip(described, found, strict=True)
    )


def shared_tables() -> set[str]:
    """Tables that the page says a comparison has in common with a report."""
    sentence = sections()["compare/"].split("The others are")[0]
    return set(re.findall(r"`(\w+)`", sentence))


def described_in(kind: str) -> dict[str, list[str]]:
    """Table of a report or of a comparison -> its columns, as the page has them."""
    of_report, of_compare = (
        {Path(name).stem: listed(text) for name, text in sections().items() if own.match(name)}
        for own in (re.compile("report/."), re.compile("compare/."))
    )
    if kind == "report":
        return of_report
    return of_compare | {name: of_report[name] for name in shared_tables()}


@pytest.mark.parametrize("kind", ["report", "compare"])
def test_the_tables_of_a_page(kind, written):
    described, seen = described_in(kind), set()
    for path in (path for path in written[kind] if path.suffix == ".csv"):
        names = [name for name in described if pattern(name).fullmatch(path.stem)]
        assert names, f"{kind}/{path.name} is not described"
        assert same_columns(described[names[0]], header(path), path), (path.name, header(path))
        assert path.with_suffix(".tex").exists()
        seen.add(names[0])
    # What a comparison has in common with a report is asked for there.
    assert described.keys() - seen <= (shared_tables() if kind == "compare" else set())


@pytest.mark.parametrize("kind", ["report", "compare"])
def test_the_figures_of_a_page(kind, written):
    text = sections()[f"{kind}/"]
    own = set(listed(text))
    others = set(listed(sections()["report/"])) if kind == "compare" else set()
    seen = set()
    for path in (path for path in written[kind] if path.suffix == ".png"):
        names = [name for name in own | others if pattern(name).fullmatch(path.stem)]
        assert names, f"{kind}/{path.name} is not described"
        assert path.with_suffix(".pdf").exists()
        seen |= set(names)
    assert own <= seen
