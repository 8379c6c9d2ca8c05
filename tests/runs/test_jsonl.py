import json

import pytest

from mrjax.errors import UserError
from mrjax.runs import jsonl


def steps(path):
    return [record["step"] for record in jsonl.read(path)]


def test_lines_come_back_and_survive_reopening(tmp_path):
    path = tmp_path / "timing.jsonl"
    with jsonl.JsonLines(path) as log:
        log.append({"step": 1, "seconds": 0.25})
    with jsonl.JsonLines(path) as log:
        log.append({"step": 2, "seconds": 0.5})
        assert list(jsonl.read(path)) == [{"step": 1, "seconds": 0.25}, {"step": 2, "seconds": 0.5}]


def test_a_torn_last_line_is_ignored_and_not_written_to(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"step":1}\n{"step":2')
    assert steps(path) == [1]
    with jsonl.JsonLines(path) as log:
        log.append({"step": 3})
    assert path.read_text() == '{"step":1}\n{"step":3}\n'


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (3, 3), (4, 3), (5, 5), (9, 6)])
def test_cut_keeps_what_the_checkpoint_has(tmp_path, step, kept):
    present = [1, 2, 3, 5, 6]
    with jsonl.JsonLines(tmp_path / "a.jsonl") as log:
        for number in present:
            log.append({"step": number})
        assert log.cut(step) == kept
        left = [number for number in present if number <= step]
        assert steps(log.path) == left
        log.append({"step": 10})
        assert steps(log.path) == [*left, 10]


def test_damage_before_the_last_line_is_reported(tmp_path):
    path = tmp_path / "a.jsonl"
    for content in ('{"step":1}\nxx\n{"step":3}\n', '{"step":1}\n[2]\n', '{"a":1}\n{"step":1.0}\n'):
        path.write_text(content)
        with pytest.raises(UserError, match=r"line [12] is damaged; expected .*; ") as error:
            list(jsonl.read(path))
        assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        list(jsonl.read(tmp_path / "none.jsonl"))


def test_a_line_is_strict_json(tmp_path):
    with jsonl.JsonLines(tmp_path / "a.jsonl") as log:
        with pytest.raises(ValueError, match="JSON"):
            log.append({"step": 1, "x": float("inf")})
        log.append({"step": 1, "text": "a\nb"})
        assert json.loads(log.path.read_text()) == {"step": 1, "text": "a\nb"}
