"""Means of regions against plain numpy, and what is left empty."""

import csv

import numpy as np
import pytest

from mrjax.arrays import QsmSubject, Regions
from mrjax.tasks.qsm import regions

SHAPE = (10, 9, 8)


def subject(name: str = "s", **changes) -> QsmSubject:
    rng = np.random.default_rng(1)
    labels = rng.integers(-1, 4, SHAPE).astype(np.int16)
    labels[0, 0, 0] = 300  # the only voxel of this label, outside the mask
    mask = np.ones(SHAPE, bool)
    mask[:3] = False
    chi = np.where(mask, rng.normal(0.02, 0.05, SHAPE), 0).astype(np.float32)
    own = {
        "field": chi,
        "chi": chi,
        "mask": mask,
        "regions": Regions(labels=labels, names={2: "b"}),
    }
    return QsmSubject(name=name, **(own | changes))


def read(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_means_and_spreads_are_those_of_the_voxels():
    one = subject()
    maps = {"network": one.chi + 0.5, "tkd": 2 * one.chi}
    found = list(regions.rows(one, maps))
    assert [row[1] for row in found[::3]] == [-1, 1, 2, 3, 300]
    assert [row[3] for row in found[:3]] == ["network", "tkd", "reference"]
    for name, label, title, method, voxels, mean, std in found:
        chi = np.asarray(maps.get(method, one.chi), np.float64)
        inside = chi[(one.regions.labels == label) & one.mask]
        assert (name, title, voxels) == ("s", "b" if label == 2 else "", inside.size)
        if label == 300:
            assert (voxels, mean, std) == (0, None, None)
            continue
        assert mean == pytest.approx(inside.mean() - chi[one.mask].mean(), abs=1e-12)
        assert std == pytest.approx(inside.std(), abs=1e-12)


def test_an_offset_of_a_map_is_no_error_of_a_region():
    one = subject()
    maps = {"network": one.chi + 0.5}
    for network, reference in zip(*[iter(regions.rows(one, maps))] * 2, strict=True):
        assert network[4:] == pytest.approx(reference[4:], abs=1e-7)


def test_the_table_has_a_row_for_each_subject_label_and_map(tmp_path, capsys):
    path = tmp_path / "regions.csv"
    subjects = [subject("a"), subject("b", regions=None), subject("c", chi=None)]
    regions.write(path, subjects, [{"network": subject().chi}] * 3)
    found = read(path)
    assert list(found[0]) == list(regions.COLUMNS)
    assert [row["subject"] for row in found] == ["a"] * 10 + ["c"] * 5
    assert {row["method"] for row in found[10:]} == {"network"}
    assert found[8]["label"] == "300" and found[8]["mean"] == found[8]["std"] == ""
    exact = next(iter(regions.rows(subjects[0], {"network": subject().chi})))
    assert float(found[0]["mean"]) == exact[5] and float(found[0]["std"]) == exact[6]
    assert str(path) in capsys.readouterr().err


def test_without_regions_there_is_no_table(tmp_path):
    regions.write(tmp_path / "regions.csv", [subject(regions=None)], [{"network": subject().chi}])
    assert not list(tmp_path.iterdir())
