import subprocess

import pytest

from mrjax.runs import code


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True
    )


@pytest.fixture
def plain(tmp_path):
    """Sources without a repository around them."""
    (tmp_path / "mrjax" / "runs").mkdir(parents=True)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "mrjax" / "__init__.py").write_text("a = 1\n")
    (tmp_path / "mrjax" / "runs" / "b.py").write_text("b = 1\n")
    (tmp_path / "experiments" / "qsm.py").write_text("c = 1\n")
    (tmp_path / "README.md").write_text("text\n")
    return tmp_path


@pytest.fixture
def repository(plain):
    git(plain, "init", "-q")
    git(plain, "add", ".")
    git(plain, "commit", "-q", "-m", "first")
    return plain


def test_without_git_there_is_the_digest_of_the_sources(plain):
    state = code.state(plain)
    assert (len(state["sources"]), state["commit"], state["diff"]) == (64, "", "")


def test_a_clean_checkout_is_its_commit(repository):
    state = code.state(repository)
    assert len(state["commit"]) == 40
    assert state["diff"] == ""


@pytest.mark.parametrize("name", ["mrjax/runs/b.py", "experiments/qsm.py", "mrjax/new.py"])
def test_changes_and_new_sources_are_seen(repository, name):
    before = code.state(repository)
    states = [before]
    for content in ("b = 2\n", "b = 3\n"):
        (repository / name).write_text(content)
        states.append(code.state(repository))
    assert len({state["sources"] for state in states}) == 3
    assert len({state["diff"] for state in states}) == 3
    assert {state["commit"] for state in states} == {before["commit"]}


def test_renaming_a_source_is_seen(plain):
    before = code.state(plain)["sources"]
    (plain / "mrjax" / "runs" / "b.py").rename(plain / "mrjax" / "runs" / "c.py")
    assert code.state(plain)["sources"] != before


def test_other_files_do_not_count(repository):
    before = code.state(repository)
    (repository / "README.md").write_text("other\n")
    (repository / "experiments" / "results.json").write_text("{}")
    assert code.state(repository) == before
    git(repository, "commit", "-q", "-a", "-m", "text")
    after = code.state(repository)
    assert after["sources"] == before["sources"]
    assert after["commit"] != before["commit"]


def test_a_copy_inside_another_repository_is_not_that_repository(repository):
    site = repository / "site-packages"
    (site / "mrjax").mkdir(parents=True)
    (site / "mrjax" / "__init__.py").write_text("a = 1\n")
    state = code.state(site)
    assert (len(state["sources"]), state["commit"], state["diff"]) == (64, "", "")


def test_no_git_program_is_no_error(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert code.state(repository)["commit"] == ""
