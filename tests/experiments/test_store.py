"""Compiled programs that the runs of a study share: no bit of a run depends on them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from experiments_helpers import SECONDS, environment
from helpers import ROOT

from mrjax.backend import store
from mrjax.runs import ledger

RUN = (
    "varnet --preset=tiny --xla_deterministic --steps=4 --batch_size=2 --width=1 --stages=1 "
    "--window=3 --nodes=5 --rows=16 --columns=18 --coils=2 --acs_lines=4 --n_train=2 --n_test=1"
).split()


def run(folder: Path, compiled: Path | None = None) -> subprocess.CompletedProcess:
    """A training; what other tests compiled does not reach it if it has a store of its own."""
    own = {"MRJAX_COMPILED": str(compiled), "MRJAX_TEST_STORE": "1"} if compiled else {}
    command = [sys.executable, "-m", f"experiments.{RUN[0]}", *RUN[1:], f"--workdir={folder}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment() | own,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done


def evidence(folder: Path) -> tuple[list, dict]:
    result = json.loads((folder / "result.json").read_text())
    return ledger.read(folder / "ledger.jsonl"), result["digests"]


def cache(folder: Path) -> str:
    facts = json.loads((folder / "environment.json").read_text())
    return facts["backend"]["compilation_cache"]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder of a run that filled a store, and the store."""
    folder = tmp_path_factory.mktemp("store")
    run(folder / "first", folder / "compiled")
    return folder / "first", folder / "compiled"


def test_a_run_that_compiles_nothing_has_the_same_bits(first, tmp_path):
    filler, compiled = first
    before = sorted(path.name for path in compiled.rglob("*-cache"))
    assert any(name.startswith("jit_step-") for name in before)
    run(tmp_path / "plain")
    run(tmp_path / "second", compiled)
    after = {path.name for path in compiled.rglob("*-cache")}
    assert not [name for name in after - set(before) if name.startswith(("jit_step", "jit_probe"))]
    assert evidence(filler) == evidence(tmp_path / "plain") == evidence(tmp_path / "second")
    assert cache(tmp_path / "plain") != cache(filler) == cache(tmp_path / "second")
    assert cache(filler) == f"compiled/{next(compiled.iterdir()).name}"


def damaged(content: bytes, cut: bool) -> bytes:
    """Half of it, or all of it with one bit changed."""
    half = len(content) // 2
    return (
        content[:half] if cut else content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    )


def test_a_damaged_program_is_compiled_again(first, tmp_path):
    """A run may be killed while it writes to the store."""
    filler, compiled = first
    shutil.copytree(compiled, tmp_path / "compiled")
    for place, path in enumerate(sorted((tmp_path / "compiled").rglob("*-cache"))):
        path.write_bytes(damaged(path.read_bytes(), cut=place % 2 == 0))
    run(tmp_path / "third", tmp_path / "compiled")
    assert evidence(filler) == evidence(tmp_path / "third")


def test_what_changes_programs_changes_their_folder(monkeypatch):
    there = store.key({})
    assert there == store.key({"HOME": "/x"})
    for name in ("NPROC", "PJRT_NPROC", "XLA_FLAGS"):
        assert store.key({name: "2"}) != there
    for name, value in (
        ("_processor", lambda: ["model name: other"]),
        ("software.versions", lambda packages: {"jax": "9"}),
        ("os.sched_getaffinity", lambda pid: {0}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"mrjax.backend.store.{name}", value)
            assert store.key({}) != there, name


def test_nothing_is_stored_outside_studies_and_on_a_gpu(tmp_path):
    before = store.used({})
    for environ, platform in (({}, "cpu"), ({"MRJAX_COMPILED": str(tmp_path)}, "gpu")):
        store.share(environ, platform)
        assert store.used(environ) == before
    assert not list(tmp_path.iterdir())


def test_nothing_is_stored_where_the_processor_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setattr(store, "_processor", list)
    environ, before = {"MRJAX_COMPILED": str(tmp_path)}, store.used({})
    store.share(environ, "cpu")
    assert store.used(environ) == before and not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_deleted(first, tmp_path):
    """Of programs as this jax stores them; files of a kind that cannot be told stay."""
    _, compiled = first
    programs = sorted(compiled.rglob("*-cache"))
    for place, path in enumerate(programs):
        content = path.read_bytes()
        (tmp_path / f"whole{place}-cache").write_bytes(content)
        (tmp_path / f"cut{place}-cache").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty-cache").write_bytes(b"")
    (tmp_path / "other-cache").write_bytes(b"(zstd")
    store._drop_damaged(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"whole{n}-cache" for n in range(len(programs))} | {"other-cache"}
