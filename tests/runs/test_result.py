import copy
import json
from pathlib import Path

import pytest

from mrjax.errors import UserError
from mrjax.runs import result

METRICS = {"nrmse": [0.36, 0.4], "psnr": [30, None]}
GOOD = {
    "schema_version": 1,
    "experiment": "qsm",
    "framework": "jax",
    "level": "run_to_run",
    "steps": 400,
    "subjects": ["brain_24", "brain_25"],
    "metrics": METRICS,
    "baselines": {"tkd": METRICS, "l2": {"nrmse": [0.5, 0.6]}},
    "digests": {name: "a" * 64 for name in ("init", "order", "data", "params", "predictions")},
    "seconds": {"setup": 1.0, "compile": 2, "train": 3.5, "infer": 0},
    "memory_bytes": 123,
}
ACCOUNT = {
    "found": 3,
    "training": 0,
    "held_out": 2,
    "left_out": [{"name": "sub-03", "reason": "no mask"}],
    "notes": ["a choice"],
    "accepted": [],
}
ABSENT = object()


def changed(path, value):
    record = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = record
    for key in parents:
        place = place[key]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return record


def test_a_good_result_comes_back(tmp_path):
    result.write(tmp_path, GOOD)
    assert result.read(tmp_path) == result.read(tmp_path / "result.json") == GOOD
    parent = GOOD | {"children": ["fold_0", "fold_1"], "extra": {"parameters": 5}}
    result.write(tmp_path, parent)
    assert result.read(tmp_path) == parent


@pytest.mark.parametrize("key", GOOD)
def test_no_key_may_be_missing(key):
    with pytest.raises(ValueError, match=f"result without {key} "):
        result.validate(changed(key, ABSENT))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema_version", 2),
        ("experiment", ""),
        ("framework", 3),
        ("level", "deterministic"),
        ("steps", -1),
        ("steps", True),
        ("subjects", ["a", "a"]),
        ("subjects", "ab"),
        ("metrics", []),
        ("metrics.nrmse", [0.1]),
        ("metrics.nrmse", [0.1, float("nan")]),
        ("metrics.nrmse", 0.1),
        ("metrics.nmse", [0.1, 0.2]),
        ("baselines", None),
        ("baselines.tkd", [0.1, 0.2]),
        ("baselines.tkd.psnr", ["a", "b"]),
        ("digests.init", "A" * 64),
        ("digests.order", "a" * 63),
        ("digests.params", None),
        ("digests.data", ABSENT),
        ("digests.dtaa", "a" * 64),
        ("seconds.infer", ABSENT),
        ("seconds.train", -1.0),
        ("seconds.train", float("inf")),
        ("memory_bytes", 1.5),
        ("children", [1]),
        ("extra", 3),
        ("load", {"cores": 2}),
        ("load", {"cores": 2, "begin": -1.0, "end": 0.0}),
        ("load", 0.5),
        ("data", []),
        ("data", {"found": 1}),
        ("data", ACCOUNT | {"found": 4}),
        ("data", ACCOUNT | {"notes": "one"}),
        ("data", ACCOUNT | {"left_out": [{"name": "sub-03"}]}),
        ("data", ACCOUNT | {"dropped": 1}),
        ("data", ACCOUNT | {"geometry": "a"}),
        ("seconds.classic", 1.0),
        ("notes", "x"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, path, value):
    record = changed(path, value)
    key = path.split(".")[-1]
    with pytest.raises(ValueError, match=key) as error:
        result.validate(record)
    assert "; expected " in str(error.value)
    with pytest.raises(ValueError, match=key):
        result.write(tmp_path, record)
    assert not list(tmp_path.iterdir()), "a wrong result must not make a run finished"


def test_load_and_classical_methods_may_be_told(tmp_path):
    record = changed("seconds.classical", 0.5) | {"load": {"cores": 2, "begin": 0.0, "end": 3.5}}
    result.write(tmp_path, record)
    assert result.read(tmp_path) == record


def test_an_account_of_the_data_may_be_told(tmp_path):
    for more in ({}, {"geometry": "b" * 64}):
        record = GOOD | {"data": ACCOUNT | more}
        result.write(tmp_path, record)
        assert result.read(tmp_path) == record


def test_memory_may_be_unknown():
    result.validate(changed("memory_bytes", None))


def test_reading_says_in_one_line_what_is_wrong(tmp_path):
    with pytest.raises(UserError, match=r"result.json cannot be read .*; expected .*; finish"):
        result.read(tmp_path)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(changed("level", "x")))
    with pytest.raises(UserError, match=r"result.json: level does not .*; expected .*; correct"):
        result.read(tmp_path)


def test_the_documentation_has_every_key():
    page = Path(result.__file__).with_name("README.md").read_text(encoding="utf-8")
    for key in (*GOOD, *GOOD["digests"], *GOOD["seconds"], *result.METRICS, *result.LEVELS):
        assert key in page
