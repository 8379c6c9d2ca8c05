"""The page of ``diverge``: whole, from this machine alone, and the same bytes each time."""

import html.parser
import json
import re

import pytest

torch = pytest.importorskip("torch", reason="needs torch, whose trainings are traced")

from diverge.trainings import train  # noqa: E402

from mrjax.diverge import command, tree  # noqa: E402
from mrjax.errors import UserError  # noqa: E402

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Tags(html.parser.HTMLParser):
    """Notes every tag, and fails where one is closed that is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [train(folder / "a"), train(folder / "b", wobble="backward", trace_at=[2, 3, 4])]


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "page"
    said = command.run(*runs, str(out))
    assert f"Page: {out / 'diverge.html'}" in said
    return out


def test_the_page_is_whole_and_loads_nothing(page):
    text = (page / "diverge.html").read_text()
    tags = Tags()
    tags.feed(text)
    assert not tags.open and "<script" not in text and "http" not in text
    sources = [attrs["src"] for tag, attrs in tags.seen if tag == "img"]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    links = [attrs["href"] for tag, attrs in tags.seen if tag == "a"]
    assert links and all((page / link).exists() for link in links)
    assert {path.name for path in page.iterdir()} == {
        "diverge.html", "diverge.json", "growth.png", "growth.pdf",
    }  # fmt: skip


def test_the_page_names_the_operation_and_the_modules(page):
    tags = Tags()
    tags.feed((page / "diverge.html").read_text())
    words = re.sub(r"\s+", " ", tags.text)
    assert "Operation planted.wobbly.default Direction backward Layer" in words
    assert re.search(r"Distance \d+ of 32 elements looked at differ; at least 1 ulp; about", words)
    assert "network parted first" in words and "first followed" in words
    assert "last equal" in words


def test_the_json_has_all(page):
    found = json.loads((page / "diverge.json").read_text())
    (traced,) = found["traced"]
    assert traced["kind"] == "operation" and traced["operation"]["phase"] == "backward"
    assert traced["distance"]["ulp"] == 1 and traced["distance"]["relative"] < 1e-6
    unequal = [one for one in traced["operations"] if not one["made_equal"]]
    assert unequal and unequal[0]["given_equal"] and not unequal[1]["given_equal"]
    assert all(one["distance"]["relative"] for one in unequal if one["op"] != "aten.detach.default")
    assert found["steps"]["parted"] == 3


def test_the_tree(runs):
    (traced,) = command.compare(*runs).traced
    root = tree.grow(traced)
    assert [child.path for child in root.children] == [
        "first",
        "norm",
        "drop",
        "up",
        "scale",
        "last",
    ]
    states = {child.path: child.state for child in root.children}
    assert states == {
        "first": "followed", "norm": "followed", "drop": "followed", "up": "equal",
        "scale": "equal", "last": "equal",
    }  # fmt: skip
    assert (root.state, root.differs) == ("first", True)
    first = root.children[0]
    assert first.counts["backward"][0] >= 1 and first.counts["forward"] == (0, 1)


def test_the_same_twice(runs, page, tmp_path):
    command.run(*runs, str(tmp_path))
    for path in page.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_equal_trainings_and_untraced_ones_have_a_page(runs, tmp_path):
    same = train(tmp_path / "same")
    command.run(runs[0], same, str(tmp_path / "equal"))
    assert "equal" in (tmp_path / "equal" / "diverge.html").read_text()
    plain = [train(tmp_path / name, trace_at=(), rate=rate) for name, rate in (("c", 1), ("d", 2))]
    command.run(*plain, str(tmp_path / "plain"))
    assert "No step was traced" in (tmp_path / "plain" / "diverge.html").read_text()


def test_a_folder_that_cannot_be_made_is_one_line(runs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not writable"):
        command.run(*runs, str(tmp_path / "file" / "page"))
