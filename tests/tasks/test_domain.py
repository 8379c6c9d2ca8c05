"""What a network's domain holds, which subjects lie outside it, and how they are brought there."""

import dataclasses
import math
import types
from typing import Any

import numpy as np
import pytest

from mrjax.arrays import DcePatient, QsmSubject, SenseSlice
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import dipole
from mrjax.tasks import domain
from mrjax.tasks.breast import domain as of_breast
from mrjax.tasks.breast.run import Job as BreastJob
from mrjax.tasks.qsm import domain as of_qsm
from mrjax.tasks.qsm.run import Job as QsmJob
from mrjax.tasks.varnet import domain as of_varnet

Z, Y, X = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)


def config(**changes) -> Any:
    plain = {"steps": 0, "from_run": "RUN", "resample": False, "numerics": "native", "shrink": 1,
             "field_strength": 0.0, "dataset": "nifti", "multiple": 1}  # fmt: skip
    return types.SimpleNamespace(**plain | changes)


def brain(size=(1.0, 1.0, 1.0), b0=Z, shape=(24, 24, 24), name="a", spread=0.03) -> QsmSubject:
    """A smooth map in a ball of 10 mm, as a field: what matters here is where it lies."""
    middle = [(n - 1) / 2 for n in shape]
    position = [(i - m) * h for i, m, h in zip(np.indices(shape), middle, size, strict=True)]
    mask = np.sum([p**2 for p in position], axis=0) < 100
    smooth = np.cos(position[0] / 4) * np.sin(position[1] / 4 + 1) * np.cos(position[2] / 5)
    field = np.where(mask, smooth * spread / smooth[mask].std(), 0).astype(np.float32)
    return QsmSubject(name=name, field=field, chi=None, mask=mask, voxel_size=size, b0_direction=b0)


KNOWN = of_qsm.record(config(steps=1), [brain()])


def notes(test, known=KNOWN, look=of_qsm.look, **changes) -> list[str]:
    account = Intake()
    look(config(**changes), known, test, account)
    return account.notes


def test_a_domain_is_that_of_the_training_subjects():
    train = [brain(b0=Y, size=(1.0, 1.0, 2.0), spread=s) for s in (0.02, 0.05, 0.03)]
    found = of_qsm.record(config(steps=1, field_strength=3.0), train)
    assert found["voxel_size"] == [[1, 1], [1, 1], [2, 2]]
    assert found["b0_direction"] == [0, 1, 0]
    assert found["field_std"] == pytest.approx([0.02, 0.05], rel=1e-4)
    assert found["field_strength"] == [3, 3]
    assert set(found) == set(of_qsm.NAMES)
    assert KNOWN["field_strength"] is None


@pytest.mark.parametrize(
    "one",
    [
        brain(),
        brain(size=(1.1, 0.9, 1.0)),
        brain(b0=(0.0, -math.sin(0.15), math.cos(0.15))),
        brain(b0=(0.0, 0.0, -1.0)),
        brain(spread=0.05),
        brain(spread=0.016),
    ],
)
def test_inside_nothing_is_said_and_nothing_is_moved(one):
    assert notes([one]) == [] and notes([one], resample=True) == []
    assert of_qsm.passage(config(resample=True), KNOWN, one) is None


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (brain(size=(0.5, 0.5, 2.0)), ["voxels of 0.5 x 0.5 x 2 mm", "1 x 1 x 1 mm", "2 times"]),
        (brain(size=(1.0, 1.0, 1.2)), ["voxels of 1 x 1 x 1.2 mm", "up to 1.2 times"]),
        (brain(b0=Y), ["B0 along (0, 1, 0)", "along (0, 0, 1)", "90 degrees"]),
        (brain(b0=X), ["B0 along (-1, 0, 0)", "90 degrees"]),
        (brain(b0=(0.0, math.sin(0.3), -math.cos(0.3))), ["0.3, -0.96)", "17 degrees"]),
        (brain(spread=0.09), ["standard deviation", "0.09 ppm; ", "0.03 ppm", "3 times more"]),
        (brain(spread=0.01), ["0.01 ppm; ", "3 times less"]),
    ],
)
def test_outside_a_note_says_by_how_much(one, words):
    (line,) = notes([one])
    assert line.startswith("outside the network's domain: ") and line.endswith(": a")
    assert all(word in line for word in words), line
    assert ("--resample brings it there" in line) == ("voxels" in line or "B0" in line)


def test_field_strengths_are_compared_where_both_are_known():
    known = {**KNOWN, "field_strength": [3.0, 3.0]}
    (line,) = notes([brain()], known, field_strength=7.0)
    assert "a field strength of 7 T; the network was trained with 3 T: 2.3 times more" in line
    assert notes([brain()], known, field_strength=2.89) == notes([brain()], known) == []


def test_each_subject_is_named_once_for_each_property():
    far = [brain(size=(0.5, 0.5, 2.0), b0=Y, name=name) for name in ("a", "b")]
    voxels, b0 = notes([far[0], brain(name="near"), far[1]])
    assert voxels.endswith(": a, b") and b0.endswith(": a, b")


def test_a_training_says_which_held_out_subjects_are_unlike_it_and_advises_nothing():
    (line,) = notes([brain(b0=Y)], steps=4, from_run="")
    assert "90 degrees" in line and "--resample" not in line


def test_what_is_not_known_is_said():
    (line,) = notes([brain()], None)
    assert "the domain of the network in RUN is not recorded" in line
    with pytest.raises(UserError, match="RUN is not recorded, so --resample has no voxel size"):
        notes([brain()], None, resample=True)


def test_a_domain_travels_with_the_constants():
    constants = {"tuned": {}, **domain.kept(KNOWN)}
    assert domain.look_up(constants, of_qsm.NAMES, "RUN") == KNOWN
    assert domain.look_up({"tuned": {}}, of_qsm.NAMES, "RUN") is None and domain.kept(None) == {}
    for damaged in ([], {"voxel_size": [1, 1, 1]}, {**KNOWN, "more": 1}):
        with pytest.raises(UserError, match="is damaged"):
            domain.look_up({"domain": damaged}, of_qsm.NAMES, "RUN")


# brought into the domain


def moved(one: QsmSubject, network, **changes) -> np.ndarray:
    """A job's output for a subject, with any function in place of the network."""
    inputs = types.SimpleNamespace(domain=KNOWN)
    job = QsmJob(config(resample=True, **changes), inputs, None)  # pyright: ignore
    shapes = []

    def apply(field):
        shapes.append(field.shape[1:-1])
        return network(field[0, ..., 0])[None, ..., None]

    found = job.output(one, apply)
    assert shapes == [job.shape(one)] and found.dtype == np.float32
    return found


def apart(found, truth, mask) -> float:
    return float(np.linalg.norm((found - truth)[mask]) / np.linalg.norm(truth[mask]))


OBLIQUE = (0.0, math.sin(0.5), math.cos(0.5))
ELSEWHERE = [
    brain((0.5, 0.5, 2.0), shape=(48, 48, 12)),
    brain(b0=Y),
    brain(b0=X),
    brain(b0=OBLIQUE),
    brain((2.0, 0.6, 0.8), X, (13, 40, 30)),
]


@pytest.mark.parametrize("one", ELSEWHERE)
def test_the_network_sees_its_own_geometry(one):
    """A network that applies the dipole of 1 mm and B0 along z gives the dipole field of a map.

    The truth is computed on the subject's grid, with its voxels and its direction of B0.
    """
    truth = np.asarray(dipole.field_host(one.field, one.voxel_size, one.b0_direction))
    found = moved(one, lambda chi: dipole.field_host(chi, (1.0, 1.0, 1.0), Z))
    inner = brain_mask(one, 8)
    assert found.shape == one.field.shape and not found[~one.mask].any()
    assert apart(found, truth, inner) < 0.1
    careless = np.asarray(dipole.field_host(one.field, (1.0, 1.0, 1.0), Z))
    assert apart(careless, truth, inner) > 0.3


def brain_mask(one: QsmSubject, radius: float) -> np.ndarray:
    middle = [(n - 1) / 2 for n in one.field.shape]
    parts = zip(np.indices(one.field.shape), middle, one.voxel_size, strict=True)
    return np.sum([((i - m) * h) ** 2 for i, m, h in parts], axis=0) < radius**2


@pytest.mark.parametrize("one", ELSEWHERE)
def test_a_network_that_does_nothing_changes_little(one):
    assert apart(moved(one, lambda field: field), one.field, one.mask) < 0.05


@pytest.mark.parametrize("one", [brain(b0=Y), brain(b0=X)])
def test_whole_turns_change_nothing_at_all(one):
    assert np.array_equal(moved(one, lambda field: field), one.field)
    (line,) = notes([one], resample=True)
    assert "brought into the network's domain and back by turned axes: B0 along" in line


def test_a_note_says_what_was_interpolated():
    first, second = notes([brain((0.5, 0.5, 2.0), OBLIQUE)], resample=True)
    assert "by interpolation: voxels of 0.5" in first and "by interpolation: B0" in second
    assert "29 degrees" in second


def test_order_free_arithmetic_turns_axes_but_does_not_interpolate():
    assert notes([brain(b0=Y)], resample=True, numerics="reproducible")
    with pytest.raises(UserError, match=r"interpolates a, .* --numerics=native"):
        notes([brain(b0=OBLIQUE)], resample=True, numerics="reproducible")


def test_a_mask_thinner_than_the_networks_voxels_is_refused():
    one = brain((0.2, 0.2, 0.2))
    mask = np.zeros_like(one.mask)
    mask[12, 12, 12] = True
    with pytest.raises(UserError, match="the mask of a has no voxel left"):
        notes([dataclasses.replace(one, mask=mask)], resample=True)


# the other tasks


def acquired(shape=(4, 32, 32), every=2, edge=0.6) -> dict[str, np.ndarray]:
    """A square that fills a part of its slice, seen by coils of equal maps."""
    coils, rows, columns = shape
    image = np.zeros((rows, columns))
    image[: int(rows * edge), : int(columns * edge)] = 1
    maps = np.full(shape, 1 / math.sqrt(coils), np.complex64)
    mask = np.arange(columns) % every == 0
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image))) * mask
    return {
        "kspace": (maps * kspace).astype(np.complex64),
        "maps": maps,
        "mask": mask.astype(np.float32),
    }


def knees(*found) -> list[str]:
    known = of_varnet.record([acquired(), acquired(every=3)])
    empty = np.zeros((1, 1, 1), np.complex64)
    slices = [SenseSlice(name="s", kspace=empty, maps=empty, reference=None) for _ in found]
    account = Intake()
    of_varnet.look(config(), known, slices, found, account)
    return account.notes


def test_the_domain_of_a_varnet():
    known = of_varnet.record([acquired(), acquired((6, 32, 48), every=4)])
    assert known["acceleration"] == [2, 4] and known["coils"] == [4, 6]
    assert known["rows"] == [32, 32] and known["columns"] == [32, 48]
    full = of_varnet.measured(acquired(every=1))
    assert full["acceleration"] == 1
    assert full["spread"] == pytest.approx(math.sqrt((19 / 32) ** 2), rel=1e-3)
    assert knees(acquired(), acquired((5, 32, 40))) == []


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (acquired(every=6), "acquired) of 5.33; the network was trained with 2 to 2.91: 1.8 times"),
        (acquired((16, 32, 32)), "coils of 16; the network was trained with 4: 4 times more"),
        (acquired((4, 64, 32)), "rows of 64; the network was trained with 32: 2 times more"),
        (acquired((4, 32, 18)), "columns of 18; the network was trained with 32: 1.8 times less"),
        (acquired(edge=0.1), "times less"),
    ],
)
def test_slices_outside_are_noted(one, words):
    (line,) = knees(one)
    assert words in line and line.endswith(": s") and "--resample" not in line


def patient(size=(1.0, 1.0, 2.0), times=(0, 60, 120, 300), shape=(24, 30, 3), tilt=0.0):
    affine = np.eye(4)
    turn = [[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]]
    affine[:3, :3] = np.array(turn) * size
    middle = [(n - 1) / 2 for n in shape[:2]]
    x, y = ((i - m) * h for i, m, h in zip(np.indices(shape), middle, size, strict=False))
    body = 1 / (1 + np.exp(np.sqrt(x**2 + y**2) - 8))
    signal = body[..., None] * (1 + 0.5 * np.minimum(times, 100) / 100)
    return DcePatient(
        name="p", signal=signal.astype(np.float32), times=np.array(times, float), mask=None,
        voxel_size=size, affine=affine,
    )  # fmt: skip


DCE = of_breast.record(config(steps=1), [patient(), patient((1.2, 1.0, 3.0))])


def dce(*patients, known=DCE, **changes) -> list[str]:
    return notes(patients, known, of_breast.look, **changes)


def test_the_domain_of_a_breast_network():
    assert DCE["voxel_size"] == [[1, 1.2], [1, 1]]
    assert DCE["slice_distance"] == [2, 3] and DCE["tilt"] == [0, 0]
    assert DCE["early"] == [120, 120] and DCE["late"] == [300, 300]
    assert set(DCE) == set(of_breast.NAMES)
    assert dce(patient((1.1, 1.1, 2.5), (0, 55, 100, 290))) == []
    shrunk = of_breast.record(config(steps=1, shrink=2), [patient()])
    assert shrunk["voxel_size"] == [[2, 2], [2, 2]]
    lost = of_breast.record(config(steps=1), [dataclasses.replace(patient(), affine=None)])
    assert lost["tilt"] is None


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (patient((0.4, 0.4, 2.0), shape=(60, 75, 3)), "voxels of 0.4 x 0.4 mm; the network was "
         "trained with 1 to 1.2 x 1 mm: up to 2.5 times another edge (--resample brings it there)"),
        (patient((1.0, 1.0, 8.0)), "distance of 8 mm; the network was trained with 2 to 3 mm: 2.7"),
        (patient(tilt=0.5), "of 28.6 degrees; the network was trained with 0 degrees: 28.6"),
        (patient(times=(0, 20, 40, 300)), "a time of 40 s; the network was trained with 120 s: 3"),
        (patient(times=(0, 60, 120, 900)), "of 900 s; the network was trained with 300 s: 3 times"),
    ],
)  # fmt: skip
def test_patients_outside_are_noted(one, words):
    (line,) = dce(one)
    assert words in line and line.endswith(": p")


def test_the_network_sees_slices_of_its_own_voxels():
    """A network that marks where the intensity is above one half finds the same disc."""
    one = patient((0.4, 0.4, 2.0), shape=(60, 75, 3))
    (line,) = dce(one, resample=True)
    assert "brought into the network's domain and back by interpolation: voxels of 0.4" in line
    inputs = types.SimpleNamespace(domain=DCE)
    job = BreastJob(config(resample=True), inputs, None)  # pyright: ignore
    seen = []

    def apply(image):
        seen.append(image.shape)
        return (image[..., :1] > 0.5 * image[..., 0].max()).astype(np.float32)

    found = job.output(one, apply)
    assert set(seen) == {(1, 25, 31, 3)} and job.shape(one) == (25, 31, 3)
    disc = one.signal[..., 0] > 0.5 * one.signal[..., 0].max()
    assert found.shape == disc.shape and found.dtype == np.float32
    overlap = 2 * np.count_nonzero((found > 0.5) & disc)
    assert overlap > 0.97 * (np.count_nonzero(found > 0.5) + np.count_nonzero(disc))
    assert 0 <= found.min() and found.max() <= 1


def test_layouts_without_voxel_sizes_are_not_compared():
    (line,) = dce(patient((0.4, 0.4, 9.0), shape=(60, 75, 3)), dataset="mat")
    assert "--dataset=mat do not say how large voxels are" in line
    (line,) = dce(patient((0.4, 0.4, 2.0), shape=(60, 75, 3)), known={**DCE, "voxel_size": None})
    assert "trained with voxels of unknown size" in line
    with pytest.raises(UserError, match="so --resample does not know"):
        dce(patient(), dataset="mat", resample=True)
    assert of_breast.record(config(steps=1, dataset="mat"), [patient()])["voxel_size"] is None
