"""The registry is the only place that lists tasks; its entries are correct."""

import ast

import pytest
from helpers import ROOT

from mrjax.runs.metrics import METRICS
from mrjax.tasks import registry
from mrjax.tasks.registry import TASKS

HOMES = ("tasks", "nets", "data", "physics")
"""Parts of mrjax that may speak of a task by name: each has a place of its own there."""


def named(path) -> set[str]:
    """Names of tasks among the literals of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str)} & TASKS.keys()


def at_home(parts: tuple[str, ...]) -> bool:
    return parts[0] in HOMES or (parts[0] == "pytorch" and parts[-1][:-3] in TASKS)


def test_no_other_part_names_a_task():
    files = [*(ROOT / "mrjax").rglob("*.py"), *(ROOT / "experiments").glob("*.py")]
    found = {path: named(path) for path in files}
    assert sum(map(bool, found.values())) > 5, "the search finds none at all"
    strange = [
        path
        for path, names in found.items()
        if names and not at_home(path.relative_to(ROOT).parts[1:])
    ]
    assert not [path for path in strange if path.stem not in TASKS]
    assert not [path for path in strange if path.parent.name != "experiments"]


@pytest.mark.parametrize("task", TASKS)
def test_every_entry_is_as_its_task_is(task):
    entry, (config_class, presets) = TASKS[task], registry.program(task)
    assert config_class.experiment == task
    assert set(entry.metrics) <= set(METRICS)
    fields = config_class.__dataclass_fields__
    assert {*entry.sizes, *entry.grows, *entry.single} <= set(fields)
    config = config_class(**{**presets["tiny"], **entry.single})
    config.check()
    assert config.needs_device
    assert config_class(**presets["tiny"]).needs_device == (not entry.whole)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_the_same_rooms(task):
    rooms = ("config", "inputs", "model", "classical", "evaluate", "outputs", "run", "noise")
    for room in (*rooms, "domain", "export"):
        assert registry.module(task, room)
    run = registry.module(task, "run")
    assert run.Job and run.engine and run.model.build
    assert registry.module(task, "inputs").prepare and registry.module(task, "inputs").digest


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_its_metrics(task):
    evaluate = registry.module(task, "evaluate")
    judged = getattr(evaluate, "METRICS", ("dice",))
    assert set(judged) == set(TASKS[task].metrics)
