"""BART's pairs of files: bytes, axes, what zeros say, and the one-liners; a real slice."""

import bart_program
import numpy as np
import pytest
from helpers import shared
from slices import random_slice

from mrjax.data.formats import bart
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import coils


def test_numbers_are_column_major_pairs_of_float32(tmp_path):
    array = (np.arange(24) + 0.5j).astype(np.complex64).reshape(2, 3, 1, 4)
    bart.write_cfl(tmp_path / "a.cfl", array)
    lines = (tmp_path / "a.hdr").read_text().splitlines()
    assert lines == ["# Dimensions", "2 3 1 4" + " 1" * 12]
    raw = np.frombuffer((tmp_path / "a.cfl").read_bytes(), "<f4")
    slow = [array[x, y, 0, c] for c in range(4) for y in range(3) for x in range(2)]
    np.testing.assert_array_equal(raw[0::2], np.real(slow))
    np.testing.assert_array_equal(raw[1::2], np.imag(slow))
    np.testing.assert_array_equal(bart.read_cfl(tmp_path / "a.cfl"), array)


def test_a_written_slice_comes_back_with_its_maps(tmp_path):
    slices = [random_slice(i) for i in range(2)]
    bart.write_bart(slices, tmp_path)
    found = [bart.read(path) for path in bart.files(tmp_path)]
    assert [s.name for s in found] == ["slice0001", "slice0002"]
    for a, b in zip(slices, found, strict=True):
        np.testing.assert_array_equal(a.kspace, b.kspace)
        np.testing.assert_array_equal(a.maps, b.maps)
        np.testing.assert_array_equal(a.reference, b.reference)
        assert b.mask is None


@pytest.mark.parametrize("single", [0, 1, 2])
def test_any_of_the_three_first_dimensions_may_be_the_one(single, tmp_path):
    one = random_slice()
    array = np.expand_dims(np.moveaxis(one.kspace, 0, 2), single)
    bart.write_cfl(tmp_path / "a.cfl", array)
    found = bart.read(tmp_path / "a.cfl", acs_lines=6)
    np.testing.assert_array_equal(found.kspace, one.kspace)
    np.testing.assert_array_equal(found.maps, coils.from_acs(one.kspace, 6).astype(np.complex64))


@pytest.mark.parametrize("scale", [1e9, 1e-9, 3.0])
def test_maps_of_any_norm_give_the_least_squares_image(scale, tmp_path):
    one = random_slice()
    weight = scale * np.linspace(0.5, 2, 16)
    maps = (one.maps * weight).astype(np.complex64)
    maps[:, :2] = 0
    bart.write_bart([random_slice(maps=maps)], tmp_path)
    intake = Intake()
    found = bart.read(tmp_path / "slice0001.cfl", intake=intake)
    images = coils.images(one.kspace)
    for row, column in ((2, 3), (12, 8), (20, 15)):  # of sum |C_c m - I_c|^2, times norm of C
        of = maps[:, row, column].astype(np.complex128)[:, None]
        (best,) = np.linalg.lstsq(of, images[:, row, column], rcond=None)[0]
        expected = best * np.linalg.norm(of)
        np.testing.assert_allclose(found.reference[row, column], expected, rtol=1e-4, atol=1e-5)
    assert not found.maps[:, :2].any()
    np.testing.assert_allclose((np.abs(found.maps[:, 2:]) ** 2).sum(axis=0), 1, rtol=1e-5)
    (note,) = intake.notes
    assert note.startswith("coil sensitivity maps were divided by the root of their sum of squar")


def test_gaps_are_undersampling_and_zero_edges_alone_are_not(tmp_path):
    kspace = random_slice().kspace
    kspace[..., [0, 1, 15]] = 0
    bart.write_bart([random_slice(kspace=kspace)], tmp_path)
    assert bart.read(tmp_path / "slice0001.cfl").mask is None
    kspace[..., 5] = 0
    bart.write_bart([random_slice(kspace=kspace)], tmp_path)
    found = bart.read(tmp_path / "slice0001.cfl")
    assert np.flatnonzero(~found.mask).tolist() == [0, 1, 5, 15] and found.reference is None


def test_the_measured_brain_slice_is_read():
    found = bart.read(shared("data/esp_full.cfl"))
    assert found.kspace.shape == (8, 230, 180) and found.mask is None
    rss = np.sqrt((np.abs(coils.images(found.kspace)) ** 2).sum(axis=0))
    head = rss > 0.2 * rss.max()
    assert 0.2 < head.mean() < 0.8
    ratio = np.abs(found.reference[head]) / rss[head]
    assert 0.95 < np.median(ratio) < 1.02


def pair(path, shape=(24, 16, 1, 3), text=None, numbers=None) -> None:
    values = np.ones(np.prod(shape) if numbers is None else numbers, "<c8")
    path.write_bytes(values.tobytes())
    text = "# Dimensions\n" + " ".join(map(str, shape)) if text is None else text
    path.with_suffix(".hdr").write_text(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"shape": (24, 16, 2, 3)}, "has dimensions 24 x 16 x 2 x 3; expected readout x phase1"),
        ({"shape": (24, 16, 1, 3, 2)}, "has dimensions 24 x 16 x 1 x 3 x 2; expected readout"),
        ({"shape": (24, 1, 1, 3)}, "has dimensions 24 x 1 x 1 x 3; expected readout"),
        ({"numbers": 7}, "holds 7 numbers, its header says 24 x 16 x 1 x 3; expected as many"),
        ({"text": "24 16 1 3"}, "has no line of dimensions; expected whole numbers below"),
        ({"text": "# Dimensions\n24 x 16"}, "has no line of dimensions; expected"),
        ({"text": "# Dimensions\n24 0 1 3", "numbers": 0}, "has no line of dimensions; expected"),
        ({"numbers": 0}, "holds 0 numbers, its header says"),
    ],
)
def test_unusable_pairs_are_one_line(content, message, tmp_path):
    pair(tmp_path / "a.cfl", **content)
    with pytest.raises(UserError, match=message) as caught:
        bart.read(tmp_path / "a.cfl")
    assert "\n" not in str(caught.value)


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
    pair(tmp_path / "a.cfl")
    (tmp_path / "a_maps.cfl").mkdir()
    (tmp_path / "a_maps.hdr").write_text("# Dimensions\n24 16 1 3")
    with pytest.raises(UserError, match=r"a_maps.cfl or its header cannot be read \(Is a dir"):
        bart.read(tmp_path / "a.cfl")
    (tmp_path / "a.cfl").unlink()
    (tmp_path / "a.cfl").mkdir()
    with pytest.raises(UserError, match=r"a.cfl or its header cannot be read \(Is a dir"):
        bart.read(tmp_path / "a.cfl")


def test_a_file_not_open_to_the_reader_is_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    pair(tmp_path / "a.cfl")
    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\)"):
        bart.read(tmp_path / "a.cfl")


def test_maps_of_other_coils_no_header_and_no_files_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no k-space <name>.cfl in .*; expected BART"):
        bart.files(tmp_path)
    pair(tmp_path / "a.cfl")
    pair(tmp_path / "a_maps.cfl", (24, 16, 1, 4))
    assert [p.name for p in bart.files(tmp_path)] == ["a.cfl"]
    with pytest.raises(UserError, match="a has k-space of 3 coils but coil sensitivity maps of 4"):
        bart.read(tmp_path / "a.cfl")
    (tmp_path / "a.hdr").unlink()
    with pytest.raises(UserError, match=r"no file .*a.hdr; expected the header of a.cfl"):
        bart.read(tmp_path / "a.cfl")


def test_maps_are_no_kspace_and_those_without_one_are_said(tmp_path):
    one = random_slice()
    bart.write_bart([one], tmp_path)
    (tmp_path / "slice0001_maps.cfl").rename(tmp_path / "slice0001_sens.cfl")
    (tmp_path / "slice0001_maps.hdr").rename(tmp_path / "slice0001_sens.hdr")
    for name in ("sens.cfl", "other_maps.cfl", "._slice0001.cfl"):
        (tmp_path / name).touch()
    intake = Intake()
    (path,) = bart.files(tmp_path, intake)
    np.testing.assert_array_equal(bart.read(path).maps, one.maps)
    assert [name for name, _ in intake.left_out] == ["other_maps.cfl", "sens.cfl"]


def test_partial_fourier_has_no_reference_and_rows_are_refused(tmp_path):
    one = random_slice(0, (3, 32, 48))
    fraction = np.where(np.arange(48) < 31, one.kspace, 0)
    bart.write_cfl(tmp_path / "a.cfl", np.moveaxis(fraction, 0, 2)[:, :, None])
    found = bart.read(tmp_path / "a.cfl", acs_lines=8)
    assert found.reference is None and found.mask.sum() == 31
    rows = np.where(np.arange(32)[:, None] % 2 == 0, one.kspace, 0)
    bart.write_cfl(tmp_path / "a.cfl", np.moveaxis(rows, 0, 2)[:, :, None])
    with pytest.raises(UserError, match="a is undersampled along rows"):
        bart.read(tmp_path / "a.cfl", acs_lines=8)


def test_a_pattern_beside_a_kspace_says_what_the_network_sees(tmp_path):
    one, mask = random_slice(), np.arange(16) % 2 == 0
    mask[5:11] = True
    bart.write_cfl(tmp_path / "a.cfl", np.moveaxis(one.kspace, 0, 2)[:, :, None])
    bart.write_cfl(tmp_path / "a_pattern.cfl", mask[None])
    bart.write_cfl(tmp_path / "pattern.cfl", mask[None])
    intake = Intake()
    (path,) = bart.files(tmp_path, intake)
    found = bart.read(path, acs_lines=6)
    np.testing.assert_array_equal(found.mask, mask)
    np.testing.assert_array_equal(found.kspace, one.kspace)
    assert found.reference is not None
    left = [("pattern.cfl", "a sampling pattern without the k-space of that name")]
    assert intake.left_out == left
    for wrong in (mask[None, :9], np.tile(mask, (16, 1)), np.ones((24, 16, 1, 3))):
        bart.write_cfl(tmp_path / "a_pattern.cfl", wrong)
        with pytest.raises(UserError, match=r"pattern .* its k-space 24 x 16 x 1; expected a pat"):
            bart.read(path, acs_lines=6)
    rows = np.arange(24)[:, None] % 2 == 0
    bart.write_cfl(tmp_path / "a_pattern.cfl", np.broadcast_to(rows, (24, 16)))
    with pytest.raises(UserError, match="expected a pattern of whole columns of that k-space"):
        bart.read(path, acs_lines=6)


@bart_program.NEEDED
def test_phantoms_and_patterns_of_bart_are_read_as_they_are(tmp_path):
    for command in (
        "phantom -x 32 -s 8 -k full",
        "phantom -x 32 -S 8 disc_maps",
        "upat -Y 32 -Z 1 -y 2 -z 1 -c 12 full_pattern",
        "poisson -Y 32 -Z 1 -y 2 -z 1 -C 1 -s 1 pattern",
        "fmac full full_pattern even",
        "fmac full pattern disc",
    ):
        bart_program.call(tmp_path, command)
    found = {path.stem: bart.read(path, acs_lines=12) for path in bart.files(tmp_path)}
    assert sorted(found) == ["disc", "even", "full"]
    lines = {name: bart_program.get(tmp_path, name)[0] != 0 for name in ("full_pattern", "pattern")}
    np.testing.assert_array_equal(found["full"].mask, lines["full_pattern"])
    np.testing.assert_array_equal(found["even"].mask, lines["full_pattern"])
    np.testing.assert_array_equal(found["disc"].mask, lines["pattern"])
    assert [found[name].reference is None for name in ("disc", "even", "full")] == [1, 1, 0]
    assert 6 < lines["pattern"].sum() < 26
    maps = bart_program.coils_first(bart_program.get(tmp_path, "disc_maps"))
    norm = np.linalg.norm(maps.astype(np.complex128), axis=0)  # 1e5 and more in BART's phantoms
    np.testing.assert_allclose(found["disc"].maps, maps / norm, atol=1e-6)


@bart_program.NEEDED
def test_what_the_network_cannot_use_of_bart_is_one_line(tmp_path):
    bart_program.call(tmp_path, "phantom -3 -x 16 -s 2 -k cube")
    with pytest.raises(UserError, match=r"cube.cfl has dimensions 16 x 16 x 16 x 2; expected"):
        bart.read(tmp_path / "cube.cfl", acs_lines=8)
    bart_program.call(tmp_path, "phantom -x 32 -s 8 -k plane")
    bart_program.call(tmp_path, "reshape 7 1 32 32 plane turned")
    bart_program.call(tmp_path, "poisson -Y 32 -Z 32 -y 1.5 -z 1.5 -C 8 -s 1 pattern")
    bart_program.call(tmp_path, "fmac turned pattern discs")
    with pytest.raises(UserError, match="discs is undersampled in both directions"):
        bart.read(tmp_path / "discs.cfl", acs_lines=8)
