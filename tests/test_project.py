"""The promises of the project's own files: README, BUILD_NOTES, CITATION, pyproject, CI."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import yaml
from helpers import ROOT, dot_product_test, isometry_test

from mrjax import command
from mrjax import config as configs
from mrjax.tasks import registry

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTES = (ROOT / "BUILD_NOTES.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    "BUILD_NOTES.md",
    "experiments/results/README.md",
    "mrjax/study/README.md",
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def headings(text: str, marks: str = "##") -> set[str]:
    return set(re.findall(rf"^{marks} (.+)$", text, flags=re.MULTILINE))


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def local_module(name: str):
    """A program of .ci, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def readme_commands() -> list[str]:
    return local_module("commands").commands(README)


def test_readme_has_exactly_two_commands():
    main, tests = readme_commands()
    assert main.endswith("-m experiments.qsm --xla_deterministic")
    assert tests.endswith("-m pytest")
    assert all("pip install" in command and "\n" not in command for command in (main, tests))


def test_ci_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^readme (\d)$", script, flags=re.MULTILINE) == ["1", "2"]
    assert ".venv/bin/typos" in script.splitlines()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_readme_names_extras_that_exist():
    named = set(re.findall(r"`(\w+)` \(", section(README, "Set up")))
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


def blocks(text: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def called(text: str) -> list[tuple[str, list[str]]]:
    """Each program that the blocks of a page call, with its arguments; variables filled in."""
    found = []
    for block in blocks(text):
        values = dict(re.findall(r'^(\w+)="(.*)"$', block, flags=re.MULTILINE))
        for name, value in values.items():
            block = re.sub(rf"\${name}\b", value, block.replace(f'{name}="{value}"\n', ""))
        for line in re.split(r"\n|&&|;", block):
            words = shlex.split(line)
            mains = [n for n, word in enumerate(words) if word.startswith("experiments.")]
            found += [(words[n].removeprefix("experiments."), words[n + 1 :]) for n in mains]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_pages_take_their_flags(page, flags_of):
    """Each command has only flags of the program it calls."""
    found = called((ROOT / page).read_text(encoding="utf-8"))
    assert len(found) >= {"README.md": 10, "experiments/results/README.md": 2}.get(page, 0)
    for main, words in found:
        given = {re.match(r"--(\w+)", word)[1] for word in words if word.startswith("--")}
        assert given <= flags_of[main], (main, words)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_pages_are_bash(page):
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert not done.stderr, block


def test_the_values_of_the_readmes_flags_are_taken():
    """Flags of trainings, with their values, give a configuration that may run."""
    tried = [(main, words) for main, words in called(README) if main in registry.TASKS]
    assert len(tried) == 5
    for main, words in tried:
        config_class, presets = registry.program(main, "")
        values = command.parse(config_class, presets, words)
        configs.from_flags(config_class, presets, values).check()


def test_the_readmes_studies_are_planned(tmp_path):
    plans = [words for main, words in called(README) if main == "study" and words[0] == "plan"]
    assert len(plans) == 2
    for words in plans:
        program = [sys.executable, "-m", "experiments.study", *words]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(program, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "runs in runs/studies/" in done.stdout and "NOT RUN" not in done.stdout


def test_the_readme_is_short_and_begins_with_a_picture():
    lines = README.splitlines()
    assert len(lines) <= 200
    assert any(line.startswith("![") for line in lines[:20])


def anchors(text: str) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    found = headings(text, "##+")
    return {re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in found}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_record_is_on_the_page_of_results():
    results = ROOT / "experiments" / "results"
    text = (results / "README.md").read_text(encoding="utf-8")
    names = {path.name for path in results.iterdir() if path.name != "README.md"}
    assert len(names) > 15
    for name in names:
        family = re.sub(r"_.*", "_*", name)  # framework_qsm is one of framework_*
        assert name in text or f"`{family}`" in text, name


def test_the_vocabulary_is_sorted_and_leads_to_code():
    rows = re.findall(r"^\| (.+?) \| .+ \| (.+) \|$", section(NOTES, "Vocabulary"), re.MULTILINE)
    words = [word for word, _ in rows][1:]  # the first row is the head
    assert len(words) > 40 and words == sorted(words)
    for word, place in rows[1:]:
        for path in re.findall(r"`([^`]+)`", place):
            assert (ROOT / path.replace("NAME", "qsm")).exists(), (word, path)


def test_every_program_is_in_the_build_notes():
    text = section(NOTES, "Commands")
    named = set(re.findall(r"experiments\.(\w+)|`\.(\w+)`", text))
    assert {a or b for a, b in named} == set(MAINS)


def test_required_headings():
    wanted = {"Set up", "Usage", "The run folder", "Levels of reproducibility"}
    assert wanted <= headings(README)
    wanted = {"Build", "Versions tried", "XLA flags", "Decisions", "Measured", "Not yet"}
    wanted |= {"Map", "Vocabulary", "How to add", "Commands", "Release and changelog"}
    assert wanted <= headings(NOTES)
    assert "**Scope.**" in README


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert any(name.startswith(f"{PROJECT['version']} (") for name in headings(NOTES, "###"))
    years = {reference["year"] for reference in citation["references"]}
    assert years == {2022, 2018}


def test_installed_version_is_the_declared_one():
    code = "import mrjax; print(mrjax.__version__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == PROJECT["version"]


def test_hooks_before_a_commit_are_tools_of_the_extra_test():
    (own,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert own["repo"] == "local"
    tools = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in own["hooks"]}
    exact = [line.partition("==")[0] for line in PROJECT["optional-dependencies"]["test"]]
    assert tools == {"ruff", "typos", "python"} and {"ruff", "typos"} <= set(exact)


def test_a_file_ends_with_one_line_feed(tmp_path):
    main = local_module("ends").main
    files = {"a": (b"x\n\n\r\n", b"x\n"), "b": (b"x", b"x\n"), "c": (b"\n", b"")}
    kept = {"d": b"x\n", "e": b"", "f": b"\n\nx y\n"}
    for name, content in ({n: pair[0] for n, pair in files.items()} | kept).items():
        (tmp_path / name).write_bytes(content)
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    assert main(paths) == 1 and main(paths) == 0
    for name, content in ({n: pair[1] for n, pair in files.items()} | kept).items():
        assert (tmp_path / name).read_bytes() == content


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
