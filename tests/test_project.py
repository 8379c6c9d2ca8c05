"""The promises of the project's own files: README, BUILD_NOTES, CITATION, pyproject, CI."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import yaml
from helpers import ROOT, dot_product_test, isometry_test

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def headings(name: str) -> set[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return set(re.findall(r"^## (.+)$", text, flags=re.MULTILINE))


def readme_commands() -> list[str]:
    spec = importlib.util.spec_from_file_location("commands", ROOT / ".ci" / "commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.commands(README)


def test_readme_has_exactly_two_commands():
    main, tests = readme_commands()
    assert main.endswith("-m experiments.qsm --xla_deterministic")
    assert tests.endswith("-m pytest")
    assert all("pip install" in command and "\n" not in command for command in (main, tests))


def test_ci_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^readme (\d)$", script, flags=re.MULTILINE) == ["1", "2"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_readme_names_extras_that_exist():
    section = README.split("## Set up")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)` \(", section))
    assert named == set(PROJECT["optional-dependencies"]) - {"test"}


MAINS = sorted(p.stem for p in (ROOT / "experiments").glob("*.py") if p.stem != "__init__")


def offered(main: str) -> set[str]:
    """Names of the flags that a main's help shows."""
    command = [sys.executable, "-m", f"experiments.{main}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return set(re.findall(r"^ +--(?:\[no\])?(\w+)", done.stdout, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def flags_of() -> dict[str, set[str]]:
    return {main: offered(main) for main in MAINS}


def test_readme_names_flags_that_exist(flags_of):
    named = set(re.findall(r"--([a-z]\w+)", README))
    assert len(named) > 20
    assert named <= set().union(*flags_of.values())


def test_readme_commands_take_their_flags(flags_of):
    """Each command line in the README has only flags of the experiment it calls."""
    blocks = re.findall(r"^```bash\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).splitlines()
    called = [(m[1], line) for line in lines if (m := re.search(r"experiments\.(\w+)", line))]
    assert len(called) >= 6
    for main, line in called:
        own = line.split(f"experiments.{main}")[1]
        assert set(re.findall(r"--([a-z]\w+)", own)) <= flags_of[main], line


def test_required_headings():
    assert {"Set up", "Usage", "The run folder", "Levels of reproducibility"} <= headings(
        "README.md"
    )
    wanted = {"Build", "Versions tried", "XLA flags", "Decisions", "Measured", "Not yet"}
    assert wanted <= headings("BUILD_NOTES.md")
    assert "**Scope.**" in README


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    years = {reference["year"] for reference in citation["references"]}
    assert years == {2022, 2018}


def test_installed_version_is_the_declared_one():
    code = "import mrjax; print(mrjax.__version__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == PROJECT["version"]


SKIPS = {
    "inside a test": "import pytest\ndef test():\n    pytest.importorskip('torch_nowhere')\n",
    "a whole file": "import pytest\npytest.importorskip('torch_nowhere')\n",
}


@pytest.mark.parametrize("where", SKIPS)
@pytest.mark.parametrize("required", ["another,torch", "another"])
def test_required_skips_become_failures(required, where, tmp_path):
    (tmp_path / "test_it.py").write_text(SKIPS[where])
    env = os.environ | {"MRJAX_REQUIRE": required, "PYTHONPATH": str(ROOT / "tests")}
    env |= {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-q", "--rootdir", "."]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    forbidden = "torch" in required
    assert ("MRJAX_REQUIRE=torch forbids this skip" in done.stdout) == forbidden
    assert ("1 skipped" in done.stdout) != forbidden


def test_dot_product_test_tells_an_adjoint_from_an_inverse(rng):
    matrix = rng.standard_normal((4, 3)) + 1j * rng.standard_normal((4, 3))
    dot_product_test(lambda x: matrix @ x, lambda y: matrix.conj().T @ y, (3,), (4,), rng)
    with pytest.raises(AssertionError, match="<Ax, y>"):
        dot_product_test(
            lambda x: matrix @ x, lambda y: np.linalg.pinv(matrix) @ y, (3,), (4,), rng
        )
    with pytest.raises(AssertionError, match="<Ax, y>"):
        dot_product_test(lambda x: matrix @ x, lambda y: matrix.T @ y, (3,), (4,), rng)
    with pytest.raises(AssertionError, match="zero"):
        dot_product_test(np.zeros_like, np.zeros_like, (3,), (3,), rng)


def test_isometry_test_tells_a_rotation_from_a_scaling(rng):
    isometry_test(lambda x: np.fft.fft(x, norm="ortho"), (8,), rng)
    with pytest.raises(AssertionError):
        isometry_test(np.fft.fft, (8,), rng)
    with pytest.raises(AssertionError, match="angles"):
        isometry_test(lambda x: np.sort(np.abs(x)), (8,), rng)
