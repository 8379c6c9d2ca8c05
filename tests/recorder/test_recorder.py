"""The recorder of PyTorch trainings: its digests, its folder, and that it harms no training."""

import ast
import json
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from helpers import ROOT

torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")

from recorder import training  # noqa: E402

from mrjax.recorder import Recorder, RecorderError  # noqa: E402
from mrjax.recorder import recorder as module  # noqa: E402
from mrjax.runs import digests, ledger, result  # noqa: E402

WRONG = """#!/bin/sh
for word in "$@"; do last=$word; done
sed -i s/0x94D049BB133111EBULL/1ULL/ "$last"
exec /usr/bin/cc "$@"
"""
FILE = ROOT / "mrjax" / "recorder" / "recorder.py"


def lines(folder):
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def train(folder, *flags):
    training.main([f"--folder={folder}", *flags])
    return folder


def process(*flags, script=ROOT / "tests" / "recorder" / "training.py", folder=ROOT):
    return subprocess.run(
        [sys.executable, str(script), *flags], cwd=folder, capture_output=True, text=True
    )


ARRAYS = {
    "float32": np.array([[1.0, -2.5], [0.0, -0.0]], np.float32),
    "float64": np.array([1e-310, np.inf, np.nan]),
    "float16": np.array([1, -2, 65504], np.float16),
    "complex64": np.array([1 + 2j, -3j], np.complex64),
    "bool": np.array([True, False, True]),
    "int16": np.array([-1, 2, -32768], np.int16),
    "int64": np.array(-7),
    "uint8": np.arange(5, dtype=np.uint8),
    "empty": np.zeros((0, 3), np.float32),
    "large": np.random.default_rng(0).standard_normal(100_003).astype(np.float32),
}


@pytest.mark.parametrize("compiler", [True, False])
def test_digests_are_those_of_the_rule(monkeypatch, compiler):
    if not compiler:
        monkeypatch.setattr(module, "_compiled", lambda: None)
    assert (module._compiled() is not None) == compiler
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in ARRAYS.items()}
    assert module.content(tensors) == digests.content(ARRAYS)
    for name, array in ARRAYS.items():
        found = module.fingerprint({name: tensors[name]})
        assert module._hex(found) == digests.hex64(digests.fingerprint({name: array})), name
    together = module.fingerprint(tensors)
    assert module._hex(together) == digests.hex64(digests.fingerprint(ARRAYS))
    turned = torch.from_numpy(ARRAYS["float32"]).T
    expected = digests.fingerprint({"w": ARRAYS["float32"].T})
    assert module._hex(module.fingerprint({"w": turned})) == digests.hex64(expected)


@pytest.mark.parametrize("broken", ["no compiler", "exit 1", "wrong"])
def test_without_a_compiler_that_works_torch_computes_the_digest(monkeypatch, tmp_path, broken):
    """No compiler, one that fails, and one that makes something else than the sum."""
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n" if broken == "exit 1" else WRONG)
    (tmp_path / "cc").chmod(0o755)
    path = tmp_path if broken != "no compiler" else tmp_path / "none"
    which = {"cc": str(path / "cc")} if broken != "no compiler" else {}
    monkeypatch.setattr(module.shutil, "which", which.get)
    module._compiled.cache_clear()
    assert module._compiled() is None
    module._compiled.cache_clear()


@pytest.mark.parametrize("benchmark", [False, True])
def test_a_run_folder_that_mrjax_reads(tmp_path, monkeypatch, benchmark):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", benchmark)
    folder = train(tmp_path / "a")
    found = result.read(folder)
    assert found["steps"] == 8 and found["metrics"] == {"ssim": [0.5]}
    model = training.network(0.0)
    start = {name: leaf.detach().numpy() for name, leaf in model.named_parameters()}
    assert found["digests"]["init"] == digests.content(start)
    assert [line["step"] for line in ledger.read(folder / "ledger.jsonl")] == list(range(1, 9))
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["backend"]["switches"]["cudnn_benchmark"] is benchmark
    assert environment["backend"]["optimizer"]["class"] == "Adam"


def test_equal_trainings_have_equal_ledgers_and_others_part_where_they_differ(tmp_path):
    first = train(tmp_path / "a")
    assert lines(train(tmp_path / "b")) == lines(first)
    path = first / "ledger.jsonl"

    def parted(*flags):
        other = train(tmp_path / "".join(flags).strip("-"), *flags) / "ledger.jsonl"
        found = ledger.first_difference(path, other)
        return (found.step, found.field)

    assert parted("--seed=1") == (1, "batch")
    assert parted("--ulp_at=3") == (3, "params")
    assert parted("--rate=0.02") == (1, "params")
    assert parted("--steps=5") == (6, "end")


def test_random_numbers_are_watched_and_none_is_drawn(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    record = Recorder(tmp_path / "a", training.network(0.0))
    torch.manual_seed(5)
    record.step(1.0, torch.ones(2))
    assert torch.equal(torch.get_rng_state(), before)
    states = [line["rng"]["torch"] for line in lines(train(tmp_path / "d", "--dropout=0.5"))]
    assert len(set(states)) == len(states)
    assert len({line["rng"]["torch"] for line in lines(train(tmp_path / "n"))}) == 1


def test_every_nth_step_and_the_first(tmp_path):
    every = lines(train(tmp_path / "a", "--every=3"))
    assert [line["step"] for line in every] == [1, 3, 6]
    whole = {line["step"]: line for line in lines(train(tmp_path / "b"))}
    assert all(line == whole[line["step"]] for line in every)


def test_names_do_not_depend_on_wrappers(tmp_path):
    plain = training.network(0.0)
    compiled = torch.compile(training.network(0.0), backend="eager")
    for model in (torch.nn.DataParallel(training.network(0.0)), compiled):
        found = module.fingerprint(module._named_state(model))
        assert torch.equal(found, module.fingerprint(module._named_state(plain)))


def test_each_leaf_on_request(tmp_path):
    model = training.network(0.0)
    record = Recorder(tmp_path / "a", model, leaves=True)
    model(torch.ones(1, 1, 4, 4)).sum().backward()
    record.step(1.0)
    (line,) = [json.loads(t) for t in (tmp_path / "a" / "leaves.jsonl").read_text().splitlines()]
    bias = {"4.bias": model[4].bias.detach().numpy()}
    assert line["params"]["4.bias"] == digests.hex64(digests.fingerprint(bias))
    assert line["grads"].keys() == dict(model.named_parameters()).keys()


def test_unrecorded_batches_give_no_digest_of_their_order(tmp_path):
    for name, batch in (("none", None), ("some", torch.ones(2))):
        record = Recorder(tmp_path / name, training.network(0.0))
        record.step(1.0, batch)
        record.finish()
    nothing = digests.content({})
    orders = [result.read(tmp_path / name)["digests"]["order"] for name in ("none", "some")]
    assert orders[0] == nothing and orders[1] != nothing


def test_metrics_given_before_a_resume_are_in_the_result(tmp_path):
    model = training.network(0.0)
    record = Recorder(tmp_path / "a", model)
    record.step(1.0)
    record.metrics(ssim=0.5, other=float("nan"))
    Recorder(tmp_path / "a", model, steps_done=1).finish(psnr=30)
    found = result.read(tmp_path / "a")
    assert found["metrics"] == {"psnr": [30.0], "ssim": [0.5]}
    assert found["extra"]["metrics"] == {"ssim": 0.5, "other": None, "psnr": 30.0}


def test_a_resume_without_the_environment_is_refused(tmp_path):
    Recorder(tmp_path / "a", training.network(0.0)).step(1.0)
    (tmp_path / "a" / "environment.json").unlink()
    with pytest.raises(RecorderError, match=r"no environment\.json"):
        Recorder(tmp_path / "a", training.network(0.0), steps_done=1)


def test_without_gradients_it_says_so(tmp_path, capsys):
    record = Recorder(tmp_path / "a", training.network(0.0))
    record.step(1.0)
    record.step(1.0)
    assert capsys.readouterr().err.count("call step before zero_grad") == 1
    notes = json.loads((tmp_path / "a" / "environment.json").read_text())["backend"]["notes"]
    assert len(notes) == 1


def test_killed_and_resumed_from_a_checkpoint_the_ledger_is_whole(tmp_path):
    whole = lines(train(tmp_path / "whole"))
    flags = (f"--folder={tmp_path / 'a'}", f"--checkpoint={tmp_path / 'c.pt'}")
    assert process(*flags, "--die_at=5").returncode == -9
    assert [line["step"] for line in lines(tmp_path / "a")] == [1, 2, 3, 4, 5]
    done = process(*flags)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    keep = [{k: v for k, v in line.items() if k != "rng"} for line in lines(tmp_path / "a")]
    assert keep == [{k: v for k, v in line.items() if k != "rng"} for line in whole]
    assert result.read(tmp_path / "a")["digests"] == result.read(tmp_path / "whole")["digests"]


def test_begun_again_an_unfinished_run_is_put_aside_and_a_finished_one_refused(tmp_path, capsys):
    Recorder(tmp_path / "a", training.network(0.0)).step(2.0)
    Recorder(tmp_path / "a", training.network(0.0)).step(3.0)
    assert lines(tmp_path / "a")[0]["loss"] == 3.0
    assert lines(tmp_path / "a" / "interrupted-1")[0]["loss"] == 2.0
    assert "interrupted-1" in capsys.readouterr().err
    with pytest.raises(RecorderError, match="other settings"):
        Recorder(tmp_path / "a", training.network(0.0), config={"rate": 1})
    with pytest.raises(RecorderError, match="ends before step 9"):
        Recorder(tmp_path / "a", training.network(0.0), steps_done=9)
    train(tmp_path / "b")
    with pytest.raises(RecorderError, match="finished"):
        Recorder(tmp_path / "b", training.network(0.0))


def test_resumed_with_other_parameters_it_says_so(tmp_path, capsys):
    record = Recorder(tmp_path / "a", training.network(0.0))
    record.step(1.0)
    other = training.network(0.0)
    with torch.no_grad():
        other[0].bias += 1
    Recorder(tmp_path / "a", other, steps_done=1)
    assert "other parameters" in capsys.readouterr().err


def test_a_full_disk_ends_the_record_and_not_the_training(tmp_path, monkeypatch, capsys):
    record = Recorder(tmp_path / "a", training.network(0.0))
    record.step(1.0)
    write = module.os.write
    monkeypatch.setattr(module.os, "write", lambda file, text: write(file, text[: len(text) // 2]))
    for _ in range(3):
        record.step(1.0)
    monkeypatch.undo()
    record.finish()
    assert [line["step"] for line in lines(tmp_path / "a")] == [1]
    assert capsys.readouterr().err.count("cannot be written") == 1
    assert not (tmp_path / "a" / "result.json").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecorderError, match="cannot be read or written"):
        Recorder(tmp_path / "file" / "a", training.network(0.0))


def test_not_finite_losses_and_odd_settings_are_recorded(tmp_path):
    odd = {
        "path": tmp_path,
        "inf": float("inf"),
        "f": print,
        3: {
            1,
        },
        "o": object(),
    }
    record = Recorder(tmp_path / "a", training.network(0.0), config=odd)
    record.step(torch.tensor(float("nan")))
    record.metrics(ssim=float("nan"))
    record.finish()
    (line,) = ledger.read(tmp_path / "a" / "ledger.jsonl")
    assert (line["loss"], line["loss_hex"]) == (None, "nan")
    assert " at 0x" not in (tmp_path / "a" / "config.json").read_text()
    result.read(tmp_path / "a")


@pytest.mark.parametrize("scaled", [False, True])
def test_accumulated_and_scaled_gradients(tmp_path, scaled):
    model = training.network(0.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=scaled)
    record = Recorder(tmp_path / "a", model, optimizer)
    batches = [torch.rand(1, 1, 4, 4) for _ in range(2)]
    for batch in batches:
        scaler.scale(model(batch).mean()).backward()
    scaler.step(optimizer)
    record.step(0.0, batches)
    grads = {name: leaf.grad.numpy() for name, leaf in model.named_parameters()}
    (line,) = lines(tmp_path / "a")
    assert line["grads"] == digests.hex64(digests.fingerprint(grads))
    named = {f"batch/{i}": batch.numpy() for i, batch in enumerate(batches)}
    assert line["batch"] == digests.hex64(digests.fingerprint(named))


def test_a_callback_for_lightning(tmp_path, monkeypatch):
    """Called as Lightning calls callbacks (tried with pytorch-lightning 2.6)."""
    package = types.ModuleType("pytorch_lightning")
    package.Callback = object
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", package)
    callback = module.lightning_callback(tmp_path / "a", config={"rate": 1})
    model = training.network(0.0)
    trainer = types.SimpleNamespace(
        global_step=0, optimizers=[torch.optim.SGD(model.parameters(), 0.1)], callback_metrics={}
    )
    callback.on_validation_epoch_end(trainer, model)  # the check before training
    callback.on_train_start(trainer, model)
    for batch in range(4):
        loss = model(torch.ones(1, 1, 4, 4)).sum()
        loss.backward()
        trainer.global_step = (batch + 1) // 2  # gradients of two batches are accumulated
        callback.on_train_batch_end(trainer, model, {"loss": loss}, torch.ones(1), batch)
    trainer.callback_metrics = {"ssim": torch.tensor(0.5)}
    callback.on_validation_epoch_end(trainer, model)
    callback.on_train_end(trainer, model)
    assert [line["step"] for line in lines(tmp_path / "a")] == [1, 2]
    assert result.read(tmp_path / "a")["metrics"] == {"ssim": [0.5]}


def test_without_lightning_it_says_so(monkeypatch):
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RecorderError, match="install one"):
        module.lightning_callback("a")


TEAM = """
import sys
import torch
import torch.distributed as dist
from mrjax.recorder import Recorder

rank, folder, spoil = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "spoil"
dist.init_process_group("gloo", init_method="file://" + folder + ".store", rank=rank, world_size=2)
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 2))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
record = Recorder(folder, model, optimizer)
for step in range(3):
    batch = torch.full((2, 3), float(10 * step + rank))
    optimizer.zero_grad()
    loss = model(batch).square().mean()
    loss.backward()
    optimizer.step()
    if spoil and rank == 1 and step == 1:
        with torch.no_grad():
            model.module.bias += 1
    record.step(loss, batch)
record.finish()
dist.destroy_process_group()
"""


@pytest.mark.parametrize("mode", ["well", "spoil"])
def test_of_several_processes_one_writes_and_all_must_agree(tmp_path, mode):
    (tmp_path / "team.py").write_text(TEAM)
    team = [
        subprocess.Popen(
            [sys.executable, "team.py", str(rank), str(tmp_path / "a"), mode],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [one.communicate(timeout=120)[1] for one in team]
    assert [one.returncode for one in team] == [0, 0], errors
    found = lines(tmp_path / "a")
    assert [line["step"] for line in found] == [1, 2, 3]
    batch = {f"rank{r}/batch": np.full((2, 3), 10.0 + r, np.float32) for r in range(2)}
    assert found[1]["batch"] == digests.hex64(digests.fingerprint(batch))
    told = "do not agree on params at step 2" in errors[0]
    assert told == (mode == "spoil") and "agree" not in errors[1]


def test_the_file_alone_beside_a_script(tmp_path):
    shutil.copy(FILE, tmp_path)
    shutil.copy(ROOT / "tests" / "recorder" / "training.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-c",
         "import sys; sys.path.insert(0, '.'); sys.argv=['training.py', '--folder=a', '--steps=2'];"
         "import training; training.main(); assert 'mrjax' not in sys.modules"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(lines(tmp_path / "a")) == 2


def test_old_pythons_can_read_the_file_and_it_imports_torch_alone():
    tree = ast.parse(FILE.read_text(), feature_version=(3, 8))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    }
    assert names - set(sys.stdlib_module_names) == {"torch"}
