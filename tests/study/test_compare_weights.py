"""Distances of weights: by kind, at common steps, those without a gradient apart."""

import shutil

import numpy as np
import pytest
from study import two_sets

from mrjax.study import compare
from mrjax.study.compare import distances, weights


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return two_sets.make(tmp_path_factory.mktemp("sets"), replicates=3)


@pytest.fixture(scope="module")
def found(roots):
    return distances.compute(compare.load(*roots))


def leaves(root, run: str, step: int, *names: str) -> np.ndarray:
    content = np.load(root / run / "checkpoints" / f"step_{step:08d}.npz")
    return np.concatenate([content[name].ravel() for name in names])


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)))


@pytest.mark.parametrize(
    "name, kind",
    [
        ("params/down0_0/conv/kernel", "convolution kernels"),
        ("params/down0_0/conv/bias", "biases before normalisation"),
        ("params/down0_0/norm/scale", "normalisation scale and shift"),
        ("params/down0_0/norm/bias", "normalisation scale and shift"),
        ("params/out/bias", "biases"),
        ("params/plain/conv/bias", "biases"),
        ("params/up0/transposed_kernel", "convolution kernels"),
        ("params/stage_0/rbf", "activation functions"),
        ("params/stage_0/data_weight", "data weights"),
        ("params/stage_0/gate", "gate"),
        ("batch_stats/down0_0/norm/mean", "running means"),
        ("batch_stats/down0_0/norm/var", "running variances"),
        ("batch_stats/down0_0/norm/weight", None),
    ],
)
def test_kind_of_a_leaf(name, kind):
    assert distances.kind(name, [*two_sets.SHAPES, name]) == kind


def test_distances_are_those_of_all_leaves_of_a_kind_together(roots, found):
    names = ("params/down0_0/norm/scale", "params/down0_0/norm/bias")
    for step in two_sets.STEPS:
        values = [apart(*(leaves(r, f"00{i}", step, *names) for r in roots)) for i in range(3)]
        assert found.of("normalisation scale and shift", step) == pytest.approx(values, rel=1e-6)
        assert max(values) < 1e-5
    trained = [n for n in two_sets.SHAPES if n.startswith("params/") and not n.endswith("v/bias")]
    value = apart(*(leaves(root, "001", 60, *trained) for root in roots))
    assert found.of(distances.ALL, 60)[1] == pytest.approx(value, rel=1e-6)


def test_biases_before_normalisation_are_apart(found):
    assert found.kinds[0] == distances.ALL
    assert found.kinds[-3:] == list(distances.APART)
    assert sorted(set(found.kinds)) == sorted(found.kinds)
    assert (
        min(found.of("biases before normalisation", 60)) > 1e-2 > max(found.of(distances.ALL, 60))
    )


def test_two_trainings_give_the_scale(roots, found):
    kernel = "params/down0_0/conv/kernel"
    runs = [leaves(roots[0], f"00{i}", 60, kernel, "params/out/kernel") for i in range(3)]
    expected = np.median([apart(runs[0], runs[1]), apart(runs[1], runs[2])])
    assert found.scale("convolution kernels") == pytest.approx(expected)


def test_only_steps_that_both_kept_and_what_is_left_out_is_said(roots, tmp_path):
    copies = [shutil.copytree(root, tmp_path / root.name) for root in roots]
    (copies[1] / "000/checkpoints/step_00000060.npz").unlink()
    (copies[1] / "001/checkpoints/step_00000060.npz").write_bytes(b"torn")
    shutil.rmtree(copies[0] / "002/checkpoints")
    found = distances.compute(compare.load(*copies))
    assert len(found.of(distances.ALL, 40)) == 2 and found.of(distances.ALL, 60) == []
    assert "001: step_00000060.npz is damaged" in found.remark
    assert "002: no checkpoint of the same step in both" in found.remark


def test_networks_of_other_shapes_are_left_out(roots, tmp_path):
    copies = [shutil.copytree(root, tmp_path / root.name) for root in roots]
    for i in range(3):
        for step in two_sets.STEPS:
            path = copies[1] / f"00{i}/checkpoints/step_{step:08d}.npz"
            np.savez(path, **{"params/out/kernel": np.zeros((1, 1, 5, 1))})
    found = distances.compute(compare.load(*copies))
    assert found.pairs == () and "000, 001, 002: the networks have different" in found.remark
    assert weights.figures(tmp_path, found) == []


def test_weights_in_another_unit_are_as_the_title_says(roots, tmp_path):
    copies = [shutil.copytree(roots[0], tmp_path / name) for name in ("one", "other")]
    for path in copies[1].glob("*/checkpoints/*.npz"):
        with np.load(path) as content:
            np.savez(path, **{name: 2 * content[name] for name in content.files})
    sides = compare.load(*copies)
    found = distances.compute(sides)
    assert found.of(distances.ALL, 60) == [0.0] * 3
    assert "0 for weights equal up to scale" in weights.table(sides, found).title
