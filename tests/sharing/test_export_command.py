"""``python -m experiments.network export``: folders appear whole, mistakes are one line."""

import sys

import made_runs
import pytest

from mrjax.command import tools
from mrjax.errors import UserError
from mrjax.sharing.commands import export
from mrjax.sharing.export import folder


def call(*words: str) -> int:
    return tools.run(export.FLAGS, export.act, None, [*words], ("DIR",))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_runs.make("breast", tmp_path_factory.mktemp("runs") / "run")


def test_a_folder_is_written(run, tmp_path, capsys):
    pytest.importorskip("torch")
    output = tmp_path / "new" / "out"
    assert call(str(run), "--format=state_dict", f"--output={output}", "--size=") == 0
    assert capsys.readouterr().out == (
        f"{output}: a state_dict of PyTorch, and the module that defines its network\n"
    )
    assert {path.name for path in output.iterdir()} == {"README.md", "network.py", "weights.pt"}
    assert [path.name for path in output.parent.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--format=onnx"], "--format=onnx; expected one of stablehlo, state_dict, monai, bioim"),
        (["--format=monai", "--output="], "--output is not given; expected a folder to write"),
        (["--format=monai", "--size=8,8"], "--size has no effect on --format=monai, whose"),
        (["--format=stablehlo", "--size=8,x"], "--size=8,x; expected whole numbers above 0"),
        (["--format=stablehlo", "--size=8,"], "--size=8,; expected whole numbers above 0"),
    ],
)
def test_mistakes_are_refused(flags, line, tmp_path):
    unset = [f"--output={tmp_path / 'out'}", "--size="]
    with pytest.raises(UserError) as caught:
        call("nowhere", *unset, *flags)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_an_unfinished_run_is_refused(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(UserError, match="no finished run"):
        call(str(tmp_path), "--format=monai", f"--output={tmp_path / 'out'}", "--size=")
    assert not (tmp_path / "out").exists()


def test_flags_that_xla_does_not_know_do_not_end_the_process(run, tmp_path, monkeypatch):
    pytest.importorskip("flatbuffers", reason="flatbuffers is not installed (share-extra)")
    words = (str(run), "--format=stablehlo", f"--output={tmp_path / 'out'}", "--size=")
    for given, said in (
        ("--xla_no_such=1", "this jaxlib does not know --xla_no_such=1 in XLA_FLAGS"),
        ("--xla_cpu_max_isa=AVX", "XLA_FLAGS sets --xla_cpu_max_isa=AVX, which contradicts"),
    ):
        monkeypatch.setenv("XLA_FLAGS", given)
        with pytest.raises(UserError) as caught:
            call(*words)
        assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_a_task_that_tells_nothing_of_its_networks_is_refused(run, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "mrjax.tasks.breast.export", None)
    with pytest.raises(UserError) as caught:
        call(str(run), "--format=monai", f"--output={tmp_path / 'out'}", "--size=")
    assert str(caught.value).startswith("a network of breast cannot be exported, because mrjax/")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    folder.write(tmp_path / "out", {"a/b": b"1"})
    assert (tmp_path / "out/a/b").read_bytes() == b"1"
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("out", "file", "link"):
        with pytest.raises(UserError, match="exists and is no empty folder"):
            folder.write(tmp_path / name, {"a": b"2"})
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "out"]
