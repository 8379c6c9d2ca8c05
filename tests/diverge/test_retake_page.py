"""What the page shows of a step that was taken again: its operations or layers, and the growth."""

import dataclasses
import json

import numpy as np
import pytest

from mrjax.diverge import page
from mrjax.diverge.retake import comparison, growth, layers, record, traced
from mrjax.diverge.retake.record import Node, Record
from mrjax.diverge.retake.sides import Side
from mrjax.runs.folder import RunFolder
from mrjax.train import checkpoint

NODES = [
    Node("forward", "down/conv", "dot_general", "mrjax/x.py:1", ("float32[2]",), ("batch/x",)),
    Node("forward", "out", "add", "mrjax/x.py:2", ("float32[2]",), (0, "= 1")),
    Node("forward", "out", "exp", "mrjax/x.py:3", ("float32[2]",), (1,)),
    Node("update", "out/bias", "sub", "mrjax/x.py:4", ("float32[2]",), ("params/out/bias", 2)),
]
ONE = np.float32(1)
NEXT = np.nextafter(ONE, np.float32(2))
INPUTS = {"batch/x": "x", "params/out/bias": "b"}


def kept(folder, arrays, framework="jax", nodes=NODES):
    """A record on the disk, with its results."""
    arrays = {place: np.asarray(array, np.float32) for place, array in arrays.items()}
    seen = {place: (record.digest(array),) for place, array in arrays.items()}
    found = Record(3, framework, "kept", {}, {}, (), tuple(nodes), seen, INPUTS)
    record.write(folder, found, {f"{place}_0": array for place, array in arrays.items()})
    return record.read(folder)


@pytest.fixture
def step(tmp_path):
    """Two records: the sum parts by one unit, and what reads it follows."""
    sides = [
        kept(tmp_path / name, {0: [1, 2], 1: [second, 1], 2: [3, second], 3: [4, 4 * second]})
        for name, second in (("a", ONE), ("b", NEXT))
    ]
    return traced.operations(sides, comparison.compare(*sides), [tmp_path / "a", tmp_path / "b"])


def test_operations_on_the_page(step):
    shown = page.section(step)
    assert step.parting.kind == "operation" and dict(shown["facts"])["Operation"] == "add"
    rows = [(row["one"].number, row["given"], row["origin"], row["ulp"]) for row in shown["rows"]]
    assert rows == [(2, "equal", True, "1"), (3, "unequal", False, "1"), (4, "unequal", False, "1")]


def test_modules_on_the_page(step):
    tree = page.section(step)["tree"]
    states = {node.path: node.state for node in (tree, *tree.children, *tree.children[1].children)}
    assert states == {"": "unknown", "down": "unknown", "out": "first", "out.bias": "followed"}
    assert tree.children[0].children[0].state == "equal"


def test_what_is_on_one_side_only_is_on_the_page(tmp_path):
    longer = [NODES[0], Node("forward", "out", "sin", "mrjax/x.py:9", ("float32[2]",), (0,))]
    longer += [Node(n.phase, n.module, n.op, n.line, n.types, tuple(
        i + 1 if isinstance(i, int) else i for i in n.inputs)) for n in NODES[1:]]  # fmt: skip
    sides = [kept(tmp_path / "a", {0: [1, 2], 3: [1, 1]})]
    sides.append(kept(tmp_path / "b", {0: [1, 2], 4: [1, 2]}, nodes=longer))
    found = traced.operations(sides, comparison.compare(*sides), [tmp_path / "a", tmp_path / "b"])
    shown = page.section(found)
    assert shown["alone"] == [[], ["sin, forward, module out, operation 2 (mrjax/x.py:9)"]]
    assert "5 in B" in dict(shown["facts"])["Number"]


def twins(tmp_path, second):
    """A network in JAX and its twin: outputs of two modules and a gradient."""
    ours = [*NODES[:3]]
    ours.append(Node("backward", "out", "dot", "mrjax/x.py:5", ("float32[2]",), (2,)))
    ours.append(Node("update", "out/bias", "sub", "mrjax/x.py:6", ("float32[2]",), (3,)))
    theirs = [
        Node("forward", "down/conv", layers.OUTPUT, "", ("float32[2]",), ()),
        Node("forward", "out", layers.OUTPUT, "", ("float32[2]",), ()),
        Node("backward", "out/bias", layers.GRADIENT, "", ("float32[2]",), ()),
    ]
    folders = [tmp_path / "a", tmp_path / "b"]
    sides = [
        kept(folders[0], {0: [1, 2], 1: [7, 7], 2: [ONE, 1], 3: [5, 0]}, nodes=ours),
        kept(folders[1], {0: [1, 2], 1: [NEXT, 1], 2: second}, "pytorch", theirs),
    ]
    return sides, layers.compare(*sides, folders), folders


def test_layers_within_rounding(tmp_path):
    sides, found, folders = twins(tmp_path, [5, 1e-6])
    assert [one.places for one in found] == [(0, 0), (2, 1), (3, 2)]
    said = "\n".join(layers.text(found))
    assert "unequal bits: output of out" in said and "All 3 layers agree within rounding" in said
    step = traced.compared(sides, found, folders)
    shown = page.section(step)
    assert [row["given"] for row in shown["rows"]] == ["not recorded", "not recorded"]
    assert step.parting.operation and step.parting.operation.module == "out"
    told = dataclasses.replace(step, facts=(("Layers", "said"),))
    assert page.section(told)["facts"] == [("Layers", "said")]


def test_a_layer_beyond_rounding_is_the_first(tmp_path):
    sides, found, folders = twins(tmp_path, [5, 1])
    said = "\n".join(layers.text(found))
    assert "differs by more than rounding" in said and "gradient of out/bias" in said
    step = traced.compared(sides, found, folders)
    assert step.parting.operation and step.parting.operation.module == "out.bias"


def side(folder, weights, losses):
    """A run folder with a ledger, and a checkpoint after each step but the first."""
    run = RunFolder(folder)
    folder.mkdir()
    lines = [{"step": s, "loss_hex": float(x).hex(), "params": "0" * 16, "grads": "0" * 16,
              "batch": "0" * 16} for s, x in enumerate(losses, 1)]  # fmt: skip
    run.ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for number in range(2, len(losses) + 1):
        state = {"params": {"w": np.float32(weights) * number}, "opt": {"mu": np.float32(weights)}}
        checkpoint.save(run.checkpoints, number, state, keep=0)
    return Side(run, "qsm", None, {}, {})  # pyright: ignore[reportArgumentType]


def test_growth_over_the_steps(tmp_path):
    a = side(tmp_path / "a", [3, 4], [1, 0.5, 0.25])
    b = side(tmp_path / "b", [3, 4.5], [1, 0.75, 0.25])
    found = growth.after(a, b, 1)
    assert [(one.step, one.loss) for one in found] == [(1, 0), (2, 0.25), (3, 0)]
    assert found[0].parameters is None and found[1].parameters is not None
    assert found[1].parameters.relative == pytest.approx(0.1)
    assert (found[1].parameters.unequal, found[1].parameters.elements) == (1, 2)
    said = "\n".join(growth.text(found))
    assert "step 2: 0.25" in said and "relative to their norm: step 2: 0.1, step 3: 0.1" in said


def test_growth_without_checkpoints_is_said(tmp_path):
    runs = [side(tmp_path / name, [1], [1]) for name in "ab"]
    assert "--keep_checkpoints=0" in "\n".join(growth.text(growth.after(*runs, 1)))


def test_layers_that_were_not_seen_have_a_counterpart(tmp_path):
    """They can be asked for, and are said to be unknown where this fails."""
    sides, _, folders = twins(tmp_path, [5, 1e-6])
    ours = kept(folders[0], {0: [1, 2], 3: [5, 0]}, nodes=sides[0].nodes)
    assert layers.counterparts(ours, sides[1]) == [0, 2, 3]
    found = layers.compare(ours, sides[1], folders)
    assert [one.places for one in found] == [(0, 0), None, (3, 2)]
    assert "1 of 3 layers could not be seen" in next(layers.text(found))
