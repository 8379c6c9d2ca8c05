"""The recorder of trainings in JAX: its digests, its folder, and that it harms no training."""

import argparse
import collections
import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from helpers import ROOT
from recorder import jax_training

from mrjax.errors import UserError
from mrjax.recorder import JaxRecorder, jax_folder, jax_leaves, jax_loop
from mrjax.runs import digests, jsonl, ledger, result
from mrjax.study.certificate import facts, words
from mrjax.study.certificate.reading import read

SCRIPT = ROOT / "tests" / "recorder" / "jax_training.py"
PARAMS = {"w": jnp.ones(3), "b": {"c": jnp.zeros((2, 2), jnp.bfloat16)}}
KEY = jax.random.key(3)
ARRAYS = {
    "float32": np.array([[1.0, -2.5], [0.0, -0.0]], np.float32),
    "float64": np.array([[[1e-310, np.inf, np.nan]]]),
    "float16": np.array([1, -2, 65504], np.float16),
    "bfloat16": np.array([[1, -2, 3e38]], ml_dtypes.bfloat16),
    "float8": np.array([1, -2, 0.5], ml_dtypes.float8_e4m3fn),
    "int4": np.array([1, -2, 7], ml_dtypes.int4),
    "complex64": np.array([[1 + 2j, -3j], [5, 0]], np.complex64),
    "complex128": np.array(1 + 2j),
    "bool": np.array([True, False, True]),
    "int16": np.array([-1, 2, -32768], np.int16),
    "int64": np.array(-7),
    "uint64": np.array([2**64 - 1], np.uint64),
    "big endian": np.array([1, 2], ">f4"),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "empty": np.zeros((0, 3), np.float32),
    "large": np.random.default_rng(0).standard_normal((7, 11, 1301)).astype(np.float32),
}
NUMBERS = {"float": 0.1, "int": -3, "yes": True, "complex": 2j}


def lines(folder):
    return list(jsonl.read(folder / "ledger.jsonl"))


def sums(*trees):
    groups = [jax_leaves.leaves(tree) for tree in trees]
    return jax_leaves.finish_sums([tuple(g) for g in groups], jax_leaves.start_sums(groups))


def hexes(values):
    return {name: digests.hex64(value) for name, value in values.items()}


def by_rule(arrays):
    return {name: digests.hex64(digests.fingerprint({name: a})) for name, a in arrays.items()}


def train(folder, *flags):
    jax_training.main([f"--folder={folder}", *flags])
    return folder


def compared(a, b):
    return facts.compare(read("A", a), read("B", b))


@pytest.mark.parametrize("x64", [True, False])
def test_digests_are_those_of_the_rule(x64):
    with jax.enable_x64(True):
        on_device = {n: jnp.asarray(a.astype(a.dtype.newbyteorder("="))) for n, a in ARRAYS.items()}
    plain = {name: np.asarray(number) for name, number in NUMBERS.items()}
    with jax.enable_x64(x64):
        device, host, numbers = sums(on_device, ARRAYS, {**NUMBERS, "key": KEY, "none": None})
        assert hexes(device) == hexes(host) == by_rule(ARRAYS)
        assert hexes(numbers) == by_rule({**plain, "key": np.asarray(jax.random.key_data(KEY))})
        assert jax_leaves.content(jax_leaves.leaves(ARRAYS)) == digests.content(ARRAYS)


@dataclasses.dataclass
class Sample:
    image: np.ndarray
    name: str = "a"


def test_dataclasses_that_jax_does_not_know_are_looked_into():
    found = sums({"one": Sample(np.ones(1000))})[0]
    assert hexes(found)["one/image"] == by_rule({"one/image": np.ones(1000)})["one/image"]
    assert len(found) == 2 and "one/name='a'" in found


def test_what_is_no_number_is_part_of_the_name():
    tree = {"f": jax.nn.relu, "file": "a.h5", "names": np.array(["x"]), "none": None, "w": 1.0}
    found = sums(tree)[0]
    assert found.keys() == {*found} and len(found) == 4 and "file='a.h5'" in found
    assert not any(" at 0x" in name for name in found)
    assert sums({**tree, "file": "b.h5"})[0].keys() != found.keys()


def test_arrays_of_numpy_may_be_written_into_at_once():
    """The compiled sum may read the training's own buffer, long after the call."""
    array = np.ones(1 << 22, np.float32)
    groups = [jax_leaves.leaves({"a": array})]
    started = jax_leaves.start_sums(groups)
    array[:] = 0
    found = jax_leaves.finish_sums([("a",)], started)[0]
    assert hexes(found) == by_rule({"a": np.ones(1 << 22, np.float32)})


def test_modules_of_flax_have_names_without_addresses():
    model = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    names = set(jax_leaves.leaves(nnx.state(model)))
    assert all(any(word in name for name in names) for word in ("kernel", "bias"))
    assert names == set(jax_leaves.leaves(nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(1)))))


def test_equal_trainings_are_certified_and_others_part_where_they_differ(tmp_path):
    first = train(tmp_path / "a")
    found = result.read(first)
    assert (found["framework"], found["steps"], found["metrics"]) == ("jax", 8, {"ssim": [0.5]})
    start = jax_leaves.leaves(jax_training.start())
    assert found["digests"]["init"] == digests.content(start)
    same = compared(first, train(tmp_path / "b"))
    assert same.identical and words.verdict(same) == "A and B are identical for 8 steps."
    ulp = compared(first, train(tmp_path / "ulp", "--ulp_at=3"))
    assert ulp.parted == (3, ("params",)) and ulp.batches is None
    batch = compared(first, train(tmp_path / "batch", "--batch_at=5"))
    assert batch.parted == (5, ("batch", "loss_hex", "grads", "params"))
    every = lines(train(tmp_path / "every", "--every=3"))
    assert every == [line for line in lines(first) if line["step"] in (1, 3, 6)]
    assert len({line["rng"]["jax"] for line in lines(first)}) == 8


def test_killed_and_resumed_from_a_checkpoint_the_ledger_is_whole(tmp_path):
    """Two processes without 64-bit types, as most trainings have none."""
    flags = [f"--folder={tmp_path / 'a'}", f"--checkpoint={tmp_path / 'c'}"]
    whole = [f"--folder={tmp_path / 'whole'}"]
    code = "import sys; from recorder import jax_training as t; t.main(sys.argv[1:3])"
    environ = {**os.environ, "JAX_ENABLE_X64": "0", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    run = functools.partial(subprocess.run, capture_output=True, text=True, env=environ)
    assert run([sys.executable, SCRIPT, *flags, "--die_at=8"]).returncode == -9
    assert [line["step"] for line in lines(tmp_path / "a")] == list(range(1, 8))
    done = run([sys.executable, "-c", f"{code}; t.main(sys.argv[3:])", *flags, *whole])
    assert done.returncode == 0 and done.stderr == "", done.stderr
    keep = [[{**line, "rng": 0} for line in lines(tmp_path / name)] for name in ("a", "whole")]
    assert keep[0] == keep[1]
    found = [result.read(tmp_path / name)["digests"] for name in ("a", "whole")]
    assert found[0] == found[1]


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 4)
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from mrjax.recorder import JaxRecorder
from mrjax.runs import digests, ledger

host = np.arange(96, dtype=np.float32).reshape(8, 4, 3)
expected = digests.hex64(digests.fingerprint({"w": host}))
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(kind, kind))
    for spec in (P("a", "b"), P(None, ("b", "a")), P()):
        params = {"w": jax.device_put(host, NamedSharding(mesh, spec))}
        with jax.set_mesh(mesh), JaxRecorder(f"{kind}-{spec}", params) as record:
            record.step(1.0, params=params, grads=params, batch=host)
        (line,) = ledger.read(f"{kind}-{spec}/ledger.jsonl")
        assert line["params"] == line["grads"] == expected, (kind, spec)
apart = {"w": jax.device_put(host, jax.devices()[1]), "v": jax.device_put(1.0, jax.devices()[2])}
with JaxRecorder("apart", apart) as record:
    record.step(1.0, params=apart)
whole = digests.fingerprint({"w": host, "v": np.float32(1.0)})
assert ledger.read("apart/ledger.jsonl")[0]["params"] == digests.hex64(whole)
"""


def test_arrays_on_several_devices(tmp_path):
    environ = {**os.environ, "JAX_ENABLE_X64": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SHARDED], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_line_is_written_one_step_late_and_the_sum_is_compiled_once(tmp_path):
    record = JaxRecorder(tmp_path / "a", PARAMS)
    record.step(1.0, params=PARAMS, grads=PARAMS, batch={"x": 1, "file": "1.h5"})
    compiled = jax_leaves._sums._cache_size()
    for step in range(2, 5):
        batch = {"x": step, "file": f"{step}.h5"}
        record.step(jnp.float32(step), params=PARAMS, grads=PARAMS, batch=batch)
        assert [line["loss"] for line in lines(tmp_path / "a")] == [*range(1, step)]
    record.flush()
    assert len(lines(tmp_path / "a")) == 4 and jax_leaves._sums._cache_size() == compiled


def test_donated_arrays(tmp_path):
    update = jax.jit(lambda w: w + 1, donate_argnums=0)
    w = jnp.arange(3.0)
    record = JaxRecorder(tmp_path / "a", {"w": w})
    for _ in range(3):
        w = update(w)
        record.step(1.0, params={"w": w})
    gone, w = w, update(w)
    with pytest.raises(UserError, match="w is an array that was donated"):
        record.step(1.0, params={"w": gone})
    record.finish()
    expected = [digests.fingerprint({"w": np.arange(3.0) + i}) for i in (1, 2, 3)]
    assert [line["params"] for line in lines(tmp_path / "a")] == list(map(digests.hex64, expected))


def test_a_donated_last_tree_has_no_digest_in_the_result(tmp_path, capsys):
    w = {"w": jnp.ones(2)}
    record = JaxRecorder(tmp_path / "a", w)
    record.step(1.0, params=w, grads=w)
    w["w"].delete()
    record.finish()
    assert result.read(tmp_path / "a")["digests"]["params"] == digests.content({})
    assert "final parameters are not recorded" in capsys.readouterr().err


def test_mistakes_are_one_line(tmp_path, capsys):
    record = JaxRecorder(tmp_path / "a", PARAMS)
    for wrong, words_of_it in [
        (None, "step without params"),
        ({"w": PARAMS["w"]}, "another tree than JaxRecorder was given .b/c bfloat16.2,2. there"),
    ]:
        with pytest.raises(UserError, match=words_of_it) as caught:
            record.step(1.0, params=wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"outside of jax\.jit"):
        jax.jit(lambda w: record.step(1.0, params={"w": w}))(jnp.ones(2))
    with pytest.raises(UserError, match="params has no leaf"):
        JaxRecorder(tmp_path / "b", {})
    with pytest.raises(UserError, match="several leaves named a/b"):
        JaxRecorder(tmp_path / "b", {"a/b": 1.0, "a": {"b": 1.0}})
    with pytest.raises(UserError, match="every must be"):
        JaxRecorder(tmp_path / "b", PARAMS, every=0)
    assert capsys.readouterr().err.count("no gradients at a step") == 1


def test_another_tree_later_is_said_and_recorded(tmp_path, capsys):
    record = JaxRecorder(tmp_path / "a", PARAMS)
    for params in [PARAMS, {**PARAMS, "new": 1.0}, {**PARAMS, "new": 1.0}]:
        record.step(1.0, params=params, grads=params)
    record.finish()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "another tree from step 2 on (new none there" in said
    assert len({line["params"] for line in lines(tmp_path / "a")}) == 2


def test_folders_that_are_refused(tmp_path, capsys):
    JaxRecorder(tmp_path / "a", PARAMS).step(2.0, params=PARAMS, grads=PARAMS)
    record = JaxRecorder(tmp_path / "a", PARAMS)
    record.step(2.0, params=PARAMS, grads=PARAMS)
    record.flush()
    with pytest.raises(UserError, match="other settings"):
        JaxRecorder(tmp_path / "a", PARAMS, config={"rate": 1})
    with pytest.raises(UserError, match="ends before step 9"):
        JaxRecorder(tmp_path / "a", PARAMS, steps_done=9)
    JaxRecorder(tmp_path / "a", PARAMS)
    assert lines(tmp_path / "a" / "interrupted-1") and "interrupted-1" in capsys.readouterr().err
    with JaxRecorder(tmp_path / "b", PARAMS) as record:
        record.step(1.0, params=PARAMS)
    with pytest.raises(UserError, match="finished"):
        JaxRecorder(tmp_path / "b", PARAMS)
    with pytest.raises(UserError, match="cannot be read or written"):
        JaxRecorder(tmp_path / "b" / "ledger.jsonl" / "c", PARAMS)


def test_resumed_with_other_parameters_or_after_a_lost_line_it_says_so(tmp_path, capsys):
    record = JaxRecorder(tmp_path / "a", PARAMS)
    for _ in range(3):
        record.step(1.0, params=PARAMS, grads=PARAMS)
        record.metrics(ssim=float("nan"), loss=1)
    record.step(1.0, params=PARAMS, grads=PARAMS)
    JaxRecorder(tmp_path / "a", PARAMS, steps_done=4)
    assert "step 4 is not recorded" in capsys.readouterr().err
    JaxRecorder(tmp_path / "a", jax.tree.map(lambda a: a + 1, PARAMS), steps_done=3).finish()
    assert "other parameters than recorded" in capsys.readouterr().err
    assert result.read(tmp_path / "a")["extra"]["metrics"] == {"ssim": None, "loss": 1.0}


def test_a_full_disk_ends_the_record_and_not_the_training(tmp_path, monkeypatch, capsys):
    record = JaxRecorder(tmp_path / "a", PARAMS)
    record.step(1.0, params=PARAMS, grads=PARAMS)
    record.flush()

    def full(file, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jax_folder.jsonl.os, "write", full)
    for _ in range(3):
        record.step(1.0, params=PARAMS, grads=PARAMS)
    monkeypatch.undo()
    record.finish()
    assert [line["step"] for line in lines(tmp_path / "a")] == [1]
    assert capsys.readouterr().err.count("cannot be written (No space left on device)") == 1
    assert not (tmp_path / "a" / "result.json").exists()


def test_a_context_manager_finishes_but_not_after_an_error(tmp_path):
    with pytest.raises(KeyError), JaxRecorder(tmp_path / "a", PARAMS) as record:
        record.step(1.0, params=PARAMS)
        raise KeyError
    assert len(lines(tmp_path / "a")) == 1 and not (tmp_path / "a" / "result.json").exists()


def test_each_leaf_and_not_finite_losses(tmp_path):
    with JaxRecorder(tmp_path / "a", PARAMS, leaves=True) as record:
        record.step(jnp.array([jnp.nan]), params=PARAMS, grads={"w": PARAMS["w"]})
    (line,) = jsonl.read(tmp_path / "a" / "leaves.jsonl")
    flat = {"w": np.ones(3), "b/c": np.zeros((2, 2), ml_dtypes.bfloat16)}
    assert line == {"step": 1, "params": by_rule(flat), "grads": by_rule({"w": np.ones(3)})}
    (line,) = ledger.read(tmp_path / "a" / "ledger.jsonl")
    assert (line["loss"], line["loss_hex"], line["batch"]) == (None, "nan", "0" * 16)


def test_the_record_says_what_jax_has(tmp_path):
    JaxRecorder(tmp_path / "a", PARAMS, config={"path": tmp_path, "f": print, "inf": np.inf})
    environment = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert environment["code"].keys() == {"sources", "script", "commit", "diff"}
    assert environment["code"]["script"] == Path(sys.argv[0]).resolve().name
    backend = environment["backend"]
    assert backend["x64"] is True and backend["prng_impl"] == "threefry2x32"
    assert backend["versions"]["jax"] == jax.__version__ and backend["device_count"] == 1
    assert "xla_flags_seen" in backend and backend["level"] == "not_guaranteed"
    config = json.loads((tmp_path / "a" / "config.json").read_text())["config"]
    assert config == {"path": str(tmp_path), "f": "builtins.print", "inf": "inf"}


def test_many_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(jax_loop.jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match="JAX runs in 2 processes"):
        JaxRecorder(tmp_path / "a", PARAMS)


def test_the_package_imports_neither_framework():
    code = "import sys, mrjax.recorder; assert not {'jax', 'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class Held:
    """A batch as an object that JAX does not know."""

    def __init__(self, x):
        self.x, self.me = x, self


@pytest.mark.parametrize("make", [Held, lambda x: collections.UserDict(x=x)])
def test_a_batch_that_is_an_object_is_digested(tmp_path, make):
    found = []
    for place, value in enumerate((0.0, 0.0, 1.0)):
        x = np.zeros((2, 1000), np.float32)
        x[1, 500] = value
        record = JaxRecorder(tmp_path / str(place), {"w": np.ones(2)})
        record.step(0.0, params={"w": np.ones(2)}, batch=make(x))
        record.finish()
        found.append(json.loads((tmp_path / str(place) / "ledger.jsonl").read_text())["batch"])
    assert found[0] == found[1] != found[2]


def test_a_batch_without_a_digest_is_not_recorded(tmp_path, capsys):
    record = JaxRecorder(tmp_path, {"w": np.ones(2)})
    record.step(0.0, params={"w": np.ones(2)}, batch=[object()])
    record.finish()
    assert json.loads((tmp_path / "ledger.jsonl").read_text())["batch"] == "0" * 16
    assert "the batch is not recorded" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["longdouble", [("a", "f4"), ("b", "i4")]])
def test_a_batch_of_a_type_that_jax_lacks_is_not_recorded(tmp_path, kind):
    record = JaxRecorder(tmp_path, {"w": np.ones(2)})
    record.step(0.0, params={"w": np.ones(2)}, batch=np.zeros(3, dtype=kind))
    record.finish()
    assert json.loads((tmp_path / "ledger.jsonl").read_text())["batch"] == "0" * 16


def test_settings_are_a_dictionary_or_a_namespace():
    found = jax_folder.settings(argparse.Namespace(lr=0.1), "training")
    assert found["config"] == {"lr": 0.1}
    with pytest.raises(UserError, match="config is float; expected a dictionary"):
        jax_folder.settings(3.0, "training")
