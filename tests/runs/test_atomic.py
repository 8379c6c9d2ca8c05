import json

import pytest

from mrjax.runs import atomic


def test_replaces_the_whole_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_json(path, {"x": [1, 2]})
    atomic.write_json(path, {"x": "ü"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"x": "ü"}
    atomic.write_text(path, "two\nlines\n")
    assert path.read_bytes() == b"two\nlines\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), atomic.replacement(path) as temporary:
        temporary.write_bytes(b"half of the n")
        assert path.read_bytes() == b"old"
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    below = tmp_path / "checkpoints"
    below.mkdir()
    leftovers = [tmp_path / ".a.json.123.tmp", below / ".step.npz.9.tmp"]
    keep = [tmp_path / "a.json", below / "step.tmp", tmp_path / ".lock"]
    for path in leftovers + keep:
        path.touch()
    atomic.remove_leftovers(tmp_path)
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in keep)
