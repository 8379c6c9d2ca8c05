"""The step in which two of mrjax's own trainings part, taken again: what is named is the cause."""

import dataclasses
import types

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.interpreters import mlir

from mrjax.diverge.retake import comparison, flat, narrowing, record, report, taking, values
from mrjax.diverge.retake.record import Node, Record
from mrjax.diverge.retake.replay import of
from mrjax.diverge.retake.watched import Watched
from mrjax.numerics.native import Native
from mrjax.train.step import initial_state, make_step

LINE = {"loss_hex": "0x1p+0", "params": "0" * 16, "grads": "0" * 16, "batch": "0" * 16}


def total(x, order):
    """A sum over rows in an order of its own: equal inputs, results that may differ."""
    rows = [x[i] for i in order]
    found = rows[0]
    for row in rows[1:]:
        found = found + row
    return found


def loss_of(order):
    """A network of one layer, a sum in the given order, and a mean."""

    def loss(params, stats, batch):
        with jax.named_scope("Net"), jax.named_scope("layer"):
            hidden = jnp.tanh(batch["x"] @ params["layer"]["kernel"])
        with jax.named_scope("Net"), jax.named_scope("pool"):
            pooled = total(hidden, order)
        return jnp.mean(jnp.square(pooled - 1)), stats

    return loss


def training(order=(0, 1, 2), moved=False):
    """A step with its state, batch and ledger line."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((6, 64)).astype(np.float32)
    if moved:
        kernel[0, 0] += np.float32(1e-3)
    params = {"layer": {"kernel": jnp.asarray(kernel)}}
    batch = {"x": jnp.asarray(rng.standard_normal((3, 6)), jnp.float32)}
    optimizer = optax.sgd(0.1)
    state = initial_state(params, {}, optimizer)
    step = make_step(loss_of(order), optimizer, arithmetic=Native(), dynamic_scale=False)
    line = of(jax.jit(step)(state, batch)[1])
    return step, state, batch, line


def taken(one):
    """The record of a training's step."""
    step, state, batch, line = one
    program, leaves = flat.flatten(step, state, batch), jax.tree.leaves((state, batch))
    useful = taking.needed(program)
    found = taking.take(program, leaves, line)
    names = program.names()
    return Record(
        step=1,
        framework="jax",
        how=found.how,
        evidence=line,
        start={},
        environment=(),
        nodes=tuple(taking.nodes(program, useful)),
        seen={useful.index(n): tuple(map(record.digest, v)) for n, v in found.seen.items()},
        inputs={names[i]: record.digest(np.asarray(a)) for i, a in enumerate(leaves)},
    )


def named(found, one):
    node = one.nodes[found.pair[0]]
    return found.kind, node.op, node.phase, node.module


@pytest.fixture(scope="module")
def reference():
    return taken(training())


@pytest.fixture(scope="module")
def other_order():
    return taken(training((2, 1, 0)))


def test_a_step_taken_again_has_the_bits_of_the_step(reference):
    # Where every result seen at once changes what is fused, as with AVX-512, fewer are seen.
    assert (reference.how == "all") == (len(reference.seen) == len(reference.nodes))
    assert reference.how in ("all", "kept") and len(reference.seen) > 5


def test_without_a_change_of_bits_every_result_is_seen():
    step, state, batch, _ = training()
    program, leaves = flat.flatten(step, state, batch), jax.tree.leaves((state, batch))
    seen = Watched(program, taking.needed(program), leaves)(leaves)
    found = taking.take(program, leaves, of(seen[0][1]))
    assert found.how == "all" and len(found.seen) == len(taking.needed(program))


def test_a_step_that_does_not_repeat_its_ledger_shows_nothing():
    step, state, batch, line = training()
    program, leaves = flat.flatten(step, state, batch), jax.tree.leaves((state, batch))
    found = taking.take(program, leaves, line | {"grads": "0" * 16})
    assert (found.how, found.seen) == ("", {}) and found.evidence == line


def test_equal_trainings_do_not_part(reference):
    found = comparison.compare(reference, taken(training()))
    assert (found.kind, found.pair, found.differing) == ("none", None, ())
    assert found.compared == len(reference.seen)


def test_a_sum_in_another_order_is_named(reference, other_order):
    found = comparison.compare(reference, other_order)
    assert found.pair is not None and not found.names
    piece = [reference.nodes[place] for place in found.between[0]]
    assert any((node.op, node.module) == ("add", "pool") for node in piece)
    # What comes before the sum is equal.
    layer = [(i, j) for i, j in found.pairs if reference.nodes[i].module == "layer"]
    assert not {(i, j) for i, j in layer if reference.nodes[i].phase == "forward"}.intersection(
        found.differing
    )


def test_one_weight_is_an_input(reference):
    found = comparison.compare(reference, taken(training(moved=True)))
    kind, _, phase, module = named(found, reference)
    assert (kind, phase, module) == ("input", "forward", "layer")
    assert found.names == ("params/layer/kernel",)


def test_phases_and_modules(reference):
    phases = [node.phase for node in reference.nodes]
    assert phases == sorted(phases, key=["forward", "backward", "update"].index)
    updates = {node.module for node in reference.nodes if node.phase == "update"}
    assert updates == {"layer/kernel"}
    assert all("test_retake" not in node.line for node in reference.nodes)


def first_by_force(ones):
    """The first operation that differs, each result watched alone beside the step, in order."""
    programs = [flat.flatten(step, state, batch) for step, state, batch, _ in ones]
    for place, numbers in enumerate(zip(*map(taking.needed, programs), strict=True)):
        digests = [
            [
                record.digest(array)
                for values in taking.look(
                    program, jax.tree.leaves((state, batch)), line, [number]
                ).values()
                for array in values
            ]
            for program, number, (_, state, batch, line) in zip(
                programs, numbers, ones, strict=True
            )
        ]
        if all(digests) and digests[0] != digests[1]:
            return place
    return None


def test_all_at_once_finds_what_one_at_a_time_finds(reference, other_order):
    found = comparison.compare(reference, other_order)
    wanted = first_by_force((training(), training((2, 1, 0))))
    assert found.pair is not None and wanted is not None
    # One at a time more is seen, and the first that differs lies in the piece that was named.
    piece = comparison.reach(reference.nodes, found.pair[0], {i: (i, i) for i, _ in found.pairs})
    assert wanted in piece.through


def test_a_planted_rounding_is_named_with_its_distance(tmp_path):
    """One result is moved by one unit; all later ones follow from it."""
    step, state, batch, _ = training()
    program, leaves = flat.flatten(step, state, batch), jax.tree.leaves((state, batch))
    place = next(n for n, one in enumerate(program.equations) if one.primitive.name == "tanh")
    moved = jax.extend.core.Primitive("moved")
    original = program.equations[place].primitive

    def implementation(x, **params):
        found = original.bind(x, **params)
        return found + jnp.finfo(found.dtype).eps * jnp.abs(found)

    moved.def_impl(implementation)
    moved.def_abstract_eval(lambda x, **params: x)
    mlir.register_lowering(moved, mlir.lower_fun(implementation, multiple_results=False))
    equations = list(program.equations)
    equations[place] = dataclasses.replace(equations[place], primitive=moved)
    planted = dataclasses.replace(program, equations=tuple(equations))
    sides = []
    for name, one in (("a", program), ("b", planted)):
        results, seen = Watched(one, taking.needed(one), leaves)(leaves)
        useful = taking.needed(one)
        side = Record(
            step=1, framework="jax", how="all", evidence=of(results[1]), start={},
            environment=(), nodes=tuple(taking.nodes(program, useful)),
            seen={useful.index(n): tuple(map(record.digest, v)) for n, v in seen.items()},
            inputs=dict.fromkeys(program.inputs, "same"),
        )  # fmt: skip
        arrays = {f"{useful.index(n)}_{i}": v for n, m in seen.items() for i, v in enumerate(m)}
        record.write(tmp_path / name, side, arrays)
        sides.append(record.read(tmp_path / name))
    assert sides[0].evidence != sides[1].evidence
    found = comparison.compare(*sides)
    assert named(found, sides[0]) == ("operation", "tanh", "forward", "layer")
    kept = values.Values(tmp_path / "a", tmp_path / "b")
    distance = kept.distance(found.pair, sides[0].nodes[found.pair[0]].types)
    assert distance is not None and distance.unequal and distance.ulp in (1, 2)
    said = "\n".join(report.text(report.content(1, sides, found, kept)))
    assert "tanh, forward, module layer" in said and "ulp" in said and "update" in said


def test_a_closer_look_asks_first_for_what_is_computed_alone(monkeypatch):
    """The products can be seen only without the operations that are computed with others."""
    step, state, batch, line = training()
    program = flat.flatten(step, state, batch)
    names = [one.primitive.name for one in program.equations]
    asked = []

    def run(program, watch, leaves):
        asked.append({names[n] for n in watch})
        good = asked[-1] <= taking.ALONE
        return line if good else line | {"params": "0" * 16}, {n: [np.zeros(1)] for n in watch}

    monkeypatch.setattr(taking, "_run", run)
    seen = taking.closer(program, [], line, taking.needed(program))
    assert {names[n] for n in seen} == asked[0] == {"dot_general", "reduce_sum"}
    assert len(asked) == 1 + taking.TRIES


def test_a_result_in_another_shape_is_not_taken_as_kept():
    """To ask for it would add an instruction, such as a transposition."""
    step, state, batch, _ = training()
    program, leaves = flat.flatten(step, state, batch), jax.tree.leaves((state, batch))
    watched = Watched(program, [], leaves)
    kinds = [one.types[0].replace("float", "f") for one in program.equations]
    place = next(n for n, kind in enumerate(kinds) if kind == "f32[3,64]")
    lines = {"f32[3,64]": [place], "f32[64,3]": [], "c64[3,64]": []}
    for kind, found in lines.items():
        said = f'metadata={{op_name="jit(f)/op_{place}_/tanh"}}'
        text = f"\nENTRY %main {{\n  %x.1 = {kind}{{1,0}} fusion(%y), calls=%z, {said}\n}}"
        watched._compiled = types.SimpleNamespace(as_text=lambda text=text: text)
        assert watched.kept() == found


def node(op, *inputs, module="m", phase="forward"):
    return Node(phase, module, op, "mrjax/x.py:1", ("float32[2]",), inputs)


def made(nodes, seen, **inputs):
    return Record(1, "jax", "kept", LINE, {}, (), tuple(nodes), seen, inputs)


CHAIN = [node("mul", "params/w"), node("add", 0, "= 1"), node("reshape", 1), node("exp", 2)]


def test_what_was_not_seen_is_named_as_the_piece_it_is():
    a = made(CHAIN, {0: ("a",), 3: ("b",)}, **{"params/w": "w"})
    b = made(CHAIN, {0: ("a",), 2: ("c",), 3: ("d",)}, **{"params/w": "w"})
    found = comparison.compare(a, b)
    assert (found.kind, found.pair, found.compared) == ("operation", (3, 3), 2)
    assert found.between == ((1, 3), (1, 3))  # the addition rounds, the reshape does not


class Looking:
    """In place of a side's process: it has all results of a step, and shows those asked for."""

    def __init__(self, whole, visible):
        self.whole, self.visible, self.asked = whole, visible, None

    def looked(self, known, places):
        self.asked = list(places)
        more = {p: self.whole[p] for p in places if p in self.visible}
        return dataclasses.replace(known, seen={**known.seen, **more})


@pytest.mark.parametrize(
    ("visible", "pair", "between", "seen"),
    [
        (((1,), (1,)), (1, 1), (1,), 1),
        (((), ()), (3, 3), (1, 3), 0),
        (((1,), ()), (3, 3), (1, 3), 0),
    ],
    ids=["both", "neither", "only_a"],
)
def test_a_piece_is_narrowed_down_to_what_can_be_seen(visible, pair, between, seen):
    known = [made(CHAIN, {0: ("a",), 3: (text,)}, **{"params/w": "w"}) for text in "bd"]
    wholes = ({1: ("x",)}, {1: ("y",)})
    sides = [Looking(*one) for one in zip(wholes, visible, strict=True)]
    records, found, said = narrowing.narrowed(sides, known)
    assert [side.asked for side in sides] == [[1], list(visible[0])]
    assert (found.pair, found.between) == (pair, (between, between))
    assert said == {"operations": [2, 2], "looked": 1, "seen": seen}
    assert [len(one.seen) for one in records] == [2 + len(shown) for shown in visible]


def test_where_one_operation_is_named_nothing_more_is_looked_at():
    known = [made(CHAIN, {0: ("a",), 1: (text,), 3: ("d",)}) for text in "bc"]
    _, found, said = narrowing.narrowed([None, None], known)
    assert (found.pair, said) == ((1, 1), None)


def test_what_a_second_look_shows_is_added_to_the_record(tmp_path):
    first = dataclasses.replace(made(CHAIN, {0: ("a",)}), blind=(1, 2, 3))
    record.write(tmp_path, first, {"0_0": np.float32([1])})
    record.write(tmp_path / "look", made(CHAIN, {3: ("d",)}), {"3_0": np.float32([2])})
    found = record.add(tmp_path, tmp_path / "look")
    assert found == record.read(tmp_path)
    assert (found.seen, found.blind) == ({0: ("a",), 3: ("d",)}, (1, 2))
    with np.load(tmp_path / record.VALUES) as arrays:
        assert {name: float(arrays[name][0]) for name in arrays} == {"0_0": 1.0, "3_0": 2.0}


def test_inputs_of_what_differs():
    """The first operation has equal inputs; one that follows it has not, another part has."""
    nodes = [*CHAIN, node("log", "batch/x", module="other")]
    sides = [
        made(nodes, {0: ("a",), 1: (f"{s}1",), 3: (f"{s}3",), 4: (f"{s}4",)}, **{"batch/x": "x"})
        for s in "ab"
    ]
    found = comparison.compare(*sides)
    assert dict(comparison.given(*sides, found)) == {(1, 1): True, (3, 3): False, (4, 4): True}


def test_another_constant_is_an_argument():
    changed = [CHAIN[0], node("add", 0, "= 2"), *CHAIN[2:]]
    ones = [made(nodes, {0: ("a",), 1: (text,)}, **{"params/w": "w"})
            for nodes, text in ((CHAIN, "b"), (changed, "c"))]  # fmt: skip
    assert comparison.compare(*ones).kind == "argument"


def test_programs_with_other_operations_are_compared_where_they_agree():
    longer = [CHAIN[0], node("conv", 0), node("sub", 1), node("add", 2, "= 1"), *CHAIN[2:]]
    longer[4:] = [node("reshape", 3), node("exp", 4)]
    a = made(CHAIN, {0: ("a",), 1: ("b",), 3: ("d",)}, **{"params/w": "w"})
    b = made(longer, {i: (f"{i}",) for i in range(1, 6)} | {0: ("a",)}, **{"params/w": "w"})
    found = comparison.compare(a, b)
    assert (found.kind, found.pair, found.alone) == ("operation", (1, 3), ((), (1, 2)))
    assert found.between == ((1,), (1, 2, 3))


def test_distances():
    one = np.array([1, 0.0, np.nan, -1], np.float32)
    other = np.array([np.nextafter(np.float32(1), np.float32(2)), -0.0, np.nan, -1], np.float32)
    found = values.distance(one, other)
    assert (found.unequal, found.ulp, found.usual) == (1, 1, 1.0)
    across = values.distance(np.float32([1e-45]), np.float32([-1e-45]))
    assert across.ulp == 2
    assert values.distance(np.complex64([1 + 1j]), np.complex64([1 + 2j])).elements == 2
    assert values.distance(np.array([1, 2]), np.array([1, 3])).ulp is None


def test_distances_of_a_type_that_numpy_lacks():
    """A record holds the bits of bfloat16: 1 and the number after it, which is 1/128 larger."""
    bits = np.array([[0x3F80, 0x3F80]], np.uint16), np.array([[0x3F80, 0x3F81]], np.uint16)
    found = values.distance(*bits, "bfloat16[1,2]")
    assert (found.unequal, found.elements, found.ulp, found.largest) == (1, 2, 1, 2**-7)
