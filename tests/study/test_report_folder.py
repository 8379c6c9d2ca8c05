"""The folder of a report: replaced as a whole, and only if it is one."""

import pytest

from mrjax.errors import UserError
from mrjax.study.report import page
from mrjax.study.report.page import Section

pytest.importorskip("jinja2", reason="needs the extra report")


def published(folder, *figures):
    def make(folder):
        for name in figures:
            (folder / f"{name}.pdf").write_bytes(b"")
        return [Section("a", "A")]

    return page.publish(folder, "t", "s", make)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_older_report_is_replaced_as_a_whole(tmp_path):
    published(tmp_path / "r", "gone", "kept")
    published(tmp_path / "r", "kept")
    assert files(tmp_path / "r") == ["index.html", "kept.pdf"]


def test_a_killed_report_leaves_nothing_in_the_next(tmp_path):
    def killed(folder):
        (folder / "gone.pdf").write_bytes(b"")
        (folder / ".index.html.1.tmp").write_bytes(b"")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        page.publish(tmp_path / "r", "t", "s", killed)
    assert "not finished" in (tmp_path / "r/index.html").read_text()
    assert "not finished" not in published(tmp_path / "r", "kept").read_text()
    assert files(tmp_path / "r") == ["index.html", "kept.pdf"]


def test_another_page_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("<title>My site</title>")
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(UserError, match="no report of mrjax") as caught:
        published(tmp_path, "a")
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == ["index.html", "photo.png"]


def test_a_folder_of_other_files_is_only_added_to(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"")
    published(tmp_path, "a")
    assert files(tmp_path) == ["a.pdf", "index.html", "photo.png"]
