"""The layout of DESIGN.md, read from the syntax trees: who may import whom, who must stay light."""

import ast
import graphlib
import itertools
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from helpers import ROOT

ORDER = (
    ("errors",),
    ("arrays",),
    ("config",),
    ("keys",),
    ("backend",),
    ("children",),
    ("sweep",),
    ("command",),
    ("runs",),
    ("numerics",),
    ("recorder",),
    ("physics",),
    ("losses", "metrics"),
    ("nets",),
    ("data",),
    ("train",),
    ("tasks",),
    ("pytorch",),
    ("speed",),
    ("diverge",),
    ("sharing",),
    ("study",),
    ("prove",),
    ("check",),
)
"""Parts of mrjax; each may import what stands above it, and nothing of its own line."""

RANK = {part: rank for rank, line in enumerate(ORDER) for part in line}

EXTRA = {
    "study": {"errors", "config", "children", "runs", "command"},
    "prove": {"errors", "children", "runs"},
    "check": {"errors", "children", "runs", "speed", "prove"},
    "runs": {"errors", "config"},
    "command": {"errors", "config", "children", "backend", "sweep"},
    "recorder": {"errors", "backend", "runs", "numerics"},
}
"""Parts that may import less than their place allows: they talk through files or strings."""

REGISTRY = "mrjax.tasks.registry"
"""The one module of the tasks that those may import too: it imports nothing."""

HOMES = {
    "torch": {"pytorch", "recorder", "sharing"},
    "jax": set(RANK)
    - {"errors", "config", "children", "sweep", "command", "runs", "study", "prove", "check"},
    "flax": {"numerics", "nets", "train", "tasks", "pytorch", "sharing", "diverge"},
    "optax": {"numerics", "train", "tasks", "sharing", "diverge"},
    "tensorflow": set(),
    "experiments": set(),
    "tests": set(),
}
"""Third-party package -> the parts that may import it; the others must not."""

READS_FLAGS: set[str] = set()
LINES_PER_FILE = 300
LINES_PER_TEST_FILE = 400
LINES_PER_FUNCTION = 50
LINES_OF_THE_MEDIAN_FUNCTION = 8
STANDS_ALONE = "mrjax/recorder/recorder.py"
"""May be longer than other files: people copy it beside their scripts."""


def sources(*folders: str) -> dict[str, ast.Module]:
    """Path relative to the repository -> syntax tree."""
    files = itertools.chain.from_iterable(sorted((ROOT / name).rglob("*.py")) for name in folders)
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in files
    }


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def part(module: str) -> str:
    """The part of mrjax that a module belongs to; "" for the package itself."""
    return [*module.split("."), ""][1]


def imported(path: str, tree: ast.Module, modules: set[str]) -> set[str]:
    """Every module that a file imports, lazily or not, by its full name."""
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            within = {f"{source}.{alias.name}" for alias in node.names} & modules
            names |= within
            if len(within) < len(node.names):
                names.add(source)
    return names


TREES = sources("mrjax", "experiments")
MODULES = {module_name(path): path for path in TREES}
IMPORTS = {module_name(path): imported(path, tree, set(MODULES)) for path, tree in TREES.items()}
INSIDE = {name: found for name, found in IMPORTS.items() if name.startswith("mrjax.")}


def refused(importer: str, target: str) -> bool:
    """Whether an import between two parts of mrjax goes against the layout."""
    ours, theirs = part(importer), part(target)
    if not target.startswith("mrjax.") or ours == theirs:
        return False
    if target == REGISTRY:
        return RANK[theirs] >= RANK[ours]
    return RANK[theirs] >= RANK[ours] or theirs not in EXTRA.get(ours, set(RANK))


def test_every_part_has_a_place():
    parts = {part(name) for name in INSIDE} - {"__init__"}
    assert parts <= set(RANK), f"add to ORDER: {sorted(parts - set(RANK))}"


def test_the_layout_test_can_fail():
    assert refused("mrjax.physics.dipole", "mrjax.nets.qsmnet")
    assert refused("mrjax.losses", "mrjax.metrics")
    assert refused("mrjax.study.plan.design", "mrjax.train.loop")
    assert refused("mrjax.study.plan.design", "mrjax.tasks.frame")
    assert refused("mrjax.nets.qsmnet", REGISTRY)
    assert not refused("mrjax.study.plan.design", REGISTRY)
    assert not refused("mrjax.nets.qsmnet", "mrjax.physics.dipole")
    tree = ast.parse("def f():\n    from ..nets import qsmnet\n    import torch.nn")
    assert imported("mrjax/physics/dipole.py", tree, {"mrjax.nets.qsmnet"}) == {
        "mrjax.nets.qsmnet",
        "torch.nn",
    }


def test_imports_go_down_the_layout_only():
    wrong = [
        f"{importer} imports {target}"
        for importer, targets in sorted(INSIDE.items())
        for target in sorted(targets)
        if refused(importer, target)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_cycles():
    graph = {name: targets & set(MODULES) - {name} for name, targets in IMPORTS.items()}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", HOMES)
def test_packages_stay_in_their_parts(package):
    wrong = [
        f"{importer} imports {target}"
        for importer, targets in sorted(INSIDE.items())
        for target in sorted(targets)
        if target.split(".")[0] == package and part(importer) not in HOMES[package]
    ]
    assert not wrong, "\n".join(wrong)


def jax_is_lazy(tree: ast.Module) -> bool:
    """No import of jax that runs when the module is imported."""
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    return not any(name.split(".")[0] in ("jax", "jaxlib", "flax", "optax") for name in names)


def test_experiments_import_no_jax_at_their_top():
    """A main's ``--help`` takes under two seconds, and its flags come before the backend."""
    mains = {path: tree for path, tree in TREES.items() if path.startswith("experiments/")}
    assert all(jax_is_lazy(tree) for tree in mains.values())
    assert not jax_is_lazy(ast.parse("from jax import numpy"))


def reads_global_flags(tree: ast.Module) -> bool:
    """Whether absl's global FLAGS is used: ``flags.FLAGS``, or FLAGS imported by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "FLAGS":
            if ast.unparse(node.value) in ("flags", "absl.flags"):
                return True
        if isinstance(node, ast.ImportFrom) and node.module == "absl.flags":
            if "FLAGS" in {alias.name for alias in node.names}:
                return True
    return False


def test_flags_are_read_in_main_only():
    readers = {path for path, tree in TREES.items() if reads_global_flags(tree)}
    assert {path for path in readers if path.startswith("mrjax/")} <= READS_FLAGS
    assert reads_global_flags(ast.parse("from absl import flags\nseed = flags.FLAGS.seed"))
    assert reads_global_flags(ast.parse("from absl.flags import FLAGS"))
    assert not reads_global_flags(ast.parse("path = records.FLAGS"))


LIGHT = {"errors", "config", "backend", "children", "sweep", "command", "runs", "prove", "check"}
"""Parts that a main needs before the backend starts."""
LIGHT_MODULES = (
    REGISTRY,
    "mrjax.tasks.program",
    "mrjax.pytorch.config",
    "mrjax.speed.bench",
    "mrjax.speed.launch",
)
"""Single modules of other parts that it needs too."""


def light_modules() -> list[str]:
    return ["mrjax", *LIGHT_MODULES, *(name for name in sorted(MODULES) if part(name) in LIGHT)]


def test_the_frame_imports_no_jax():
    """One process for all of them; a module that slipped would also slow every ``--help``."""
    code = "\n".join(
        [
            "import sys, importlib",
            f"for name in {light_modules()!r}:",
            "    importlib.import_module(name)",
            "    heavy = {'jax', 'jaxlib', 'flax', 'optax', 'torch'} & set(sys.modules)",
            "    assert not heavy, f'importing {name} imports {sorted(heavy)}'",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_sizes():
    """A file fits in a reader's head, a function on one screen (docstrings not counted)."""
    long = []
    for path, tree in (TREES | sources("tests")).items():
        lines = len(Path(ROOT, path).read_text(encoding="utf-8").splitlines())
        allowed = LINES_PER_TEST_FILE if path.startswith("tests/") else LINES_PER_FILE
        if lines > allowed and path != STANDS_ALONE:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and body_lines(node) > LINES_PER_FUNCTION:
                long.append(f"{path}:{node.lineno} {node.name}: {body_lines(node)} lines")
    assert not long, "\n".join(long)


def functions(trees: Iterable[ast.Module]) -> list[ast.FunctionDef]:
    """Functions and methods that do something, so without the ``...`` of a protocol."""
    found = [node for tree in trees for node in ast.walk(tree)]
    return [f for f in found if isinstance(f, ast.FunctionDef) and ast.unparse(f.body[-1]) != "..."]


def test_the_median_function_is_short():
    """Lines from the first statement after the docstring to the last one, blank lines included."""
    lines = [body_lines(function) for function in functions(TREES.values())]
    assert len(lines) > 1000
    assert 3 < statistics.median(lines) <= LINES_OF_THE_MEDIAN_FUNCTION


def test_the_measure_of_functions_can_fail():
    long = "def f(x):\n    '''Doc.'''\n" + "\n".join("    x += 1" for _ in range(9))
    found = functions([ast.parse(long), ast.parse("def g():\n    '''Doc.'''\n    ...")])
    assert [body_lines(f) for f in found] == [9]


def body_lines(function: ast.FunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return 1 + (body[-1].end_lineno or 0) - body[0].lineno if body else 0
