"""The page on the run folder lists what runs write: every field of every file, and no other."""

import dataclasses
import json
import re
import types
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mrjax.runs
from mrjax.arrays import DcePatient, QsmSubject, SenseSlice
from mrjax.backend.startup import Backend
from mrjax.backend.team import Team
from mrjax.runs import digests, environment, metrics, records, result
from mrjax.runs.folder import RunFolder
from mrjax.runs.jsonl import JsonLines
from mrjax.runs.ledger import Ledger
from mrjax.tasks import exchange, registry, trained
from mrjax.tasks.breast import crossval, summary
from mrjax.tasks.breast.config import Config
from mrjax.tasks.qsm import regions
from mrjax.train import checkpoint, finite, loop
from mrjax.train.step import Evidence, LossScale, State

PAGE = Path(mrjax.runs.__file__).with_name("README.md").read_text(encoding="utf-8")
RECORDED = Path(__file__).parents[1] / "data" / "run_3fc6757" / "baseline" / "000"
FREE = {
    "config": "flag", "metrics": "metric", "baselines": "method", "baselines.<method>": "metric",
    "extra.patients": "method", "extra.patients.<method>": "patient", "variables": "name",
    "backend.variables": "name", "backend.versions": "package", "backend.switches": "name",
    "backend.gpu.packages": "package", "packages": "package", "dtypes": "leaf", "inputs": "digest",
}  # fmt: skip
"""Objects whose keys differ from run to run, and what the page calls such a key."""


def rows(title: str) -> Iterator[tuple[str, str]]:
    """Name and second column of every line in the tables of a section."""
    section = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", PAGE, re.M | re.S)
    assert section, title
    for line in re.findall(r"^\| `.*", section[0], re.M):
        first, second = (cell.strip() for cell in line.split("|")[1:3])
        yield from ((name, second) for name in re.findall("`([^`]+)`", first))


def documented(title: str) -> set[str]:
    """Names in a section, without objects, whose entries have lines of their own."""
    names = [name for name, kind in rows(title) if kind != "object"]
    assert len(set(names)) == len(names), "a name twice"
    return set(names)


def names(content: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Paths of all values, by the names of the page."""
    entries = list(content.items())
    if where in FREE:
        key = f"<{FREE[where]}>"
        nothing = [] if f"{where}.{key}" in FREE else [(key, None)]
        entries = [(key, value) for value in content.values()] or nothing
    for key, value in entries:
        path = f"{where}.{key}" if where else key
        if isinstance(value, Mapping):
            yield from names(value, path)
        else:
            yield path


def recorded(name: str) -> dict[str, Any]:
    return json.loads((RECORDED / name).read_text())


def whole_cross_validation() -> dict[str, Any]:
    """Result of two folds of one repetition."""
    table = {"metrics": {"dice": [0.8]}, "baselines": {"threshold": {"dice": [0.5]}}}
    found = [recorded("result.json") | table | {"subjects": [name]} for name in ("a", "b")]
    config = Config(folds=2, repetitions=1)
    gathered = summary.gather(found, 2)
    intervals = [summary.interval(values) for values in gathered.network]
    return summary._content(config, ["x", "y"], found, gathered, intervals)


def imported_network() -> dict[str, Any]:
    leaves = {"stage0/data_weight": np.zeros(())}
    return exchange._result("varnet", leaves, leaves, "file.pth")


def with_account() -> dict[str, Any]:
    counts = {"found": 2, "training": 1, "held_out": 1}
    return recorded("result.json") | {
        "data": counts
        | {"left_out": [], "notes": [], "accepted": [], "geometry": digests.content({})}
    }


def test_result():
    found = recorded("result.json"), with_account(), whole_cross_validation(), imported_network()
    for content in found:
        result.validate(content)
    assert set().union(*map(names, found)) == documented("`result.json`")


def test_the_schema_of_results_is_the_page():
    named = {name.split(".")[0] for name, _ in rows("`result.json`")}
    assert named == {*result._KEYS, *result._OPTIONAL}
    parts = {"digests": result.DIGESTS, "seconds": (*result.SECONDS, result.CLASSICAL),
             "load": result._LOAD}  # fmt: skip
    for part, keys in parts.items():
        known = {n for n in documented("`result.json`") if n.startswith(f"{part}.")}
        assert known == {f"{part}.{key}" for key in keys}
    better = {name: cells[3].strip() for name, cells in _cells("Metrics")}
    assert better == {
        name: "higher" if known.higher else "lower" for name, known in metrics.METRICS.items()
    }


def _cells(title: str) -> Iterator[tuple[str, list[str]]]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    for line in re.findall(r"^\| `.*", section, re.M):
        yield line.split("`")[1], line.split("|")


def jax_facts() -> dict[str, Any]:
    device = types.SimpleNamespace(client=types.SimpleNamespace(platform_version="cuda 13"))
    both = Team(0, 2)
    return Backend("gpu", "H100", (device,), "run_to_run", (), (), team=both).facts()


def pytorch_facts(monkeypatch) -> dict[str, Any]:
    torch = pytest.importorskip("torch", reason="needs torch, whose runs have fields of their own")
    from mrjax.pytorch import startup

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    return startup.Backend("gpu", "cuda:0", "run_to_run", {}, ()).facts()


def test_environment_and_config(tmp_path, monkeypatch):
    found, frameworks = set(), {}
    for framework, facts in (("JAX", jax_facts()), ("PyTorch", pytorch_facts(monkeypatch))):
        folder = tmp_path / framework
        folder.mkdir()
        captured = environment.capture(facts, Path(mrjax.__file__).parents[1])
        asked = records.Request("--a=1\n", {"a": 1}, "0" * 64, captured, True, True)
        records.write(folder, asked)
        records.add_environment(folder, asked)
        written = set(names(json.loads((folder / records.ENVIRONMENT).read_text())))
        found |= written
        frameworks[framework] = written
        config = json.loads((folder / records.CONFIG).read_text())
        assert set(names(config)) == documented("`config.json`")
    assert found == documented("`environment.json`")
    for name, cells in _cells("`environment.json`"):
        if cells[3].strip() in frameworks:  # a line of one framework alone
            assert [f for f, written in frameworks.items() if name in written] == [cells[3].strip()]


def test_what_older_code_wrote_is_on_the_page():
    assert set(names(recorded("environment.json"))) - {"backend.gpu"} <= documented(
        "`environment.json`"
    )
    assert set(names(recorded("config.json"))) == documented("`config.json`")


def test_ledger_and_timing(tmp_path):
    progress: Any = types.SimpleNamespace(update=lambda step, loss: None)
    folder = RunFolder(tmp_path)
    with Ledger(folder.ledger) as ledger, JsonLines(folder.timing) as timing:
        record = loop._Recorder(ledger, timing, progress, ())
        record(1, Evidence(0.5, 1, 2, 3, skipped=True, not_finite=finite.NONE))  # pyright: ignore
        record.finish()
    for path in (folder.ledger, folder.timing):
        assert set(names(json.loads(path.read_text()))) == documented(f"`{path.name}`")


def test_checkpoint(tmp_path):
    one = {"kernel": np.ones(2, np.float32)}
    state = State(one, one, one, LossScale(np.float32(1), np.int32(0)))  # pyright: ignore
    path = checkpoint.save(tmp_path, 3, state)
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        manifest = set(names(json.loads(archive.read("manifest.json"))))
    kinds = {re.sub("/.*", "/<leaf>.npy", member) for member in members}
    assert kinds | manifest == documented("`checkpoints/step_<step>.npz`")
    assert {path.name} == {"step_00000003.npz"}


def test_constants(tmp_path):
    found = set()
    of_inputs = dict.fromkeys(("init", "order", "data"), digests.content({}))
    for task in registry.TASKS:
        known = dict.fromkeys(registry.module(task, "domain").NAMES)
        inputs = registry.module(task, "noise").inputs(trained.Weights({}, None))
        inputs = inputs._replace(domain=known)
        job = registry.module(task, "run").Job(None, inputs, None)
        folder = RunFolder(tmp_path / task)
        folder.checkpoints.mkdir(parents=True)
        trained.keep_constants(folder, job.constants, of_inputs)
        found |= set(names(json.loads((folder.checkpoints / trained.CONSTANTS).read_text())))
    assert found == documented("`checkpoints/constants.json`")


def test_regions():
    assert [name for name, _ in rows("`regions.csv`")] == [*regions.COLUMNS]


def test_files(tmp_path):
    folder = RunFolder(tmp_path)
    paths = [getattr(folder, name) for name, part in vars(RunFolder).items()
             if isinstance(part, property) and name != "finished"]  # fmt: skip
    ours = {path.name for path in paths} | {".lock", "table.csv", "table.tex"}
    child = re.sub("_[0-9]+", "_<>", crossval.child_name(0, 0))
    listed = {re.sub("<.>", "<>", name) for name, _ in rows("Files")}
    assert f"{child}/" in listed and f"{child}.log" in listed
    assert {name.split("/")[0] for name in listed} == ours | {child.split("/")[0]}


def written_by_tasks(folder: RunFolder) -> None:
    """Predictions and images of a subject of every task."""
    outputs = {task: registry.module(task, "outputs") for task in registry.TASKS}
    folder.predictions.mkdir()
    folder.images.mkdir()
    chi, image = np.zeros((8, 8, 8), np.float32), np.ones((8, 8), np.complex64)
    subject = QsmSubject(name="<subject>", field=chi, chi=chi, mask=chi == 0)
    outputs["qsm"].write(folder, [subject], [dict.fromkeys(("network", "tkd", "l2"), chi)])
    one = SenseSlice(name="<slice>", kspace=image[None], maps=image[None], reference=image)
    images = dict.fromkeys(("network", "zero_filled", "cg_sense"), image)
    outputs["varnet"].write(folder, [one], [images])
    mask, times = np.indices((8, 8, 2))[0] > 3, np.arange(3.0)
    patient = DcePatient(
        name="<patient>", signal=np.ones((8, 8, 2, 3), np.float32), times=times, mask=mask
    )
    found = {"network": mask.astype(np.float32), "threshold": mask}
    outputs["breast"].write(folder, [patient], [found])
    (folder.images / "repetitions.png").touch()


def test_predictions_and_images(tmp_path):
    folder = RunFolder(tmp_path)
    written_by_tasks(folder)
    found = set()
    for path in [*folder.predictions.iterdir(), *folder.images.iterdir()]:
        name = re.sub("_(tkd|l2|network|threshold)_(?=Chimap|mask)", "_<method>_", path.name)
        name = re.sub("<.*>(?=.png)", "<subject>", name)
        found.add(f"{path.parent.name}/{name}")
    assert found == documented("`predictions/` and `images/`")


def test_a_field_that_is_missing_or_strange_is_noticed():
    """The positive control of the comparison above."""
    content = recorded("result.json")
    assert set(names(content | {"strange": 1})) - documented("`result.json`") == {"strange"}
    del content["level"]
    assert "level" in documented("`result.json`") - set(names(content))


def test_every_settings_field_that_the_digest_leaves_out_is_named():
    fields = dataclasses.fields(Config)
    free = [f.name for f in fields if f.metadata["late"] or not f.metadata["digest"]]
    line = next(cells for name, cells in _cells("`config.json`") if name == "digest")
    assert set(re.findall("`([^`]+)`", line[4])) == {"config", *free}
