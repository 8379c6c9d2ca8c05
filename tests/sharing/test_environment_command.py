"""The software of a package as a requirements file."""

import json
import subprocess
from types import SimpleNamespace

import pytest
from experiments_helpers import refused
from programs_here import here

from mrjax.errors import UserError
from mrjax.sharing import package
from mrjax.sharing.verify import requirements

COMMIT, SOURCES = "ab" * 20, "cd" * 32
RECORD = {
    "python": "3.11.7",
    "code": {"commit": COMMIT, "sources": SOURCES, "diff": ""},
    "packages": {"numpy": "2.4.6", "Dm_Tree": "0.1.10", "mrjax": "0.1.0", "torch": "2.13.0+cpu"},
}


def changed(**entries: object) -> dict:
    return {**RECORD, **entries}


def test_versions_are_exact_and_mrjax_itself_is_a_commit():
    lines = requirements.text(RECORD, "ef" * 32, {}).splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert wanted == ["dm-tree==0.1.10", "numpy==2.4.6", "torch==2.13.0"]
    head = "\n".join(line for line in lines if line.startswith("#"))
    for word in ("ef" * 32, "python3.11 -m venv", f"git checkout {COMMIT}", "torch 2.13.0+cpu"):
        assert word in head
    assert "changes" not in head and "/" not in head.replace(".venv/bin/pip", "")


def test_a_commit_with_changes_and_an_unknown_one_are_said():
    dirty = changed(code={"commit": COMMIT, "sources": SOURCES, "diff": "12" * 32})
    assert "with changes that no commit holds" in requirements.text(dirty, "", {})
    for code in ({"commit": "", "sources": SOURCES}, {"commit": "x\nnumpy==1"}, None):
        text = requirements.text(changed(code=code), "", {})
        assert "no commit is recorded" in text and "numpy==1" not in text


@pytest.mark.parametrize(
    "packages",
    [
        {},
        None,
        {"numpy": "2.4.6\nevil==1"},
        {"numpy": "2 ; x"},
        {"-r evil.txt": "1"},
        {"numpy": "@ file:///x"},
        {"torch": "2.13.0+cpu\nevil==1"},
        {"numpy": None},
    ],
)
def test_what_is_no_package_with_a_version_is_refused(packages):
    with pytest.raises(UserError, match="environment"):
        requirements.text(changed(packages=packages), "", {})


def test_a_version_of_python_holds_no_second_line():
    for python in ("3.11.7\nevil==1", "", None):
        with pytest.raises(UserError, match="no version of Python"):
            requirements.text(changed(python=python), "", {})


def pip(monkeypatch, items: list, code: int = 0, stderr: str = "") -> list[list[str]]:
    """A pip that gives this report; returns the commands that it gets."""
    commands = []

    def run(command, **options):
        commands.append(command)
        if code == 0:
            with open(command[command.index("--report") + 1], "w") as file:  # noqa: PTH123
                json.dump({"install": items}, file)
        return subprocess.CompletedProcess(command, code, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def item(name: str, sha256: str) -> dict:
    return {
        "metadata": {"name": name},
        "download_info": {"archive_info": {"hashes": {"sha256": sha256}}},
    }


def test_hashes_are_those_of_pip(monkeypatch):
    items = [item("NumPy", "1" * 64), item("dm_tree", "2" * 64), item("torch", "3" * 64)]
    (commands, pinned) = pip(monkeypatch, items), requirements.pins(RECORD)
    text = requirements.text(RECORD, "", requirements.hashes(pinned))
    assert f"numpy==2.4.6 \\\n    --hash=sha256:{'1' * 64}\n" in text
    assert text.count("--hash=") == 3 and "--require-hashes" in text
    assert {"--dry-run", "--ignore-installed", "--no-deps"} <= set(commands[0])


def test_without_a_hash_for_each_there_are_none(monkeypatch):
    pinned = requirements.pins(RECORD)
    for items in ([item("numpy", "1" * 64)], [item("numpy", "x"), item("dm-tree", "2" * 64)]):
        pip(monkeypatch, items)
        with pytest.raises(UserError, match="pip gives no hash of"):
            requirements.hashes(pinned)
    pip(monkeypatch, [], 1, "ERROR: no route\n")
    with pytest.raises(UserError, match=r"no hash of dm-tree \(ERROR: no route\)"):
        requirements.hashes(pinned)


def test_the_command_writes_a_new_file_and_says_how_to_use_it(tmp_path, monkeypatch):
    found = SimpleNamespace(environment=RECORD, digest="ef" * 32)
    monkeypatch.setattr(package, "read", lambda folder: found)
    output = tmp_path / "requirements.txt"
    done = here("network", "environment", str(tmp_path), f"--output={output}")
    assert output.read_text() == requirements.text(RECORD, "ef" * 32, {})
    assert "3 packages" in done.stdout and f"git checkout {COMMIT}" in done.stdout
    again = here("network", "environment", "x", f"--output={output}", check=False)
    refused(again, "requirements.txt", "exists")
    refused(here("network", "environment", "x", check=False), "--output is not given")
