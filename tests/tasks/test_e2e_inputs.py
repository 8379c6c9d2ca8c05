"""Slices as the end-to-end network sees them: masks, calibration lines, magnitudes, data ranges."""

import dataclasses

import numpy as np
import pytest
from helpers import draw

from mrjax.arrays import SenseSlice
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import fastmri_masks
from mrjax.tasks.e2e import acquired, classical, domain, inputs
from mrjax.tasks.e2e.config import Config

CONFIG = Config(acceleration=3, centre_fraction=0.2)


def one_slice(rng, name="s", shape=(2, 12, 20), scale=1.0, **fields):
    kspace = (scale * draw(rng, shape, np.complex128)).astype(np.complex64)
    maps = np.ones(shape, np.complex64) / np.sqrt(np.float32(shape[0]))
    whole = SenseSlice(name=name, kspace=kspace, maps=maps, reference=kspace[0], **fields)
    return acquired.with_magnitude(whole)


def images(kspace):
    axes = (-2, -1)
    shifted = np.fft.ifft2(np.fft.ifftshift(kspace, axes), norm="ortho")
    return np.fft.fftshift(shifted, axes)


def test_the_reference_is_the_magnitude_of_the_part_that_counts(rng):
    one = one_slice(rng, shown=(8, 14))
    whole = np.sqrt(np.sum(np.abs(images(one.kspace)) ** 2, axis=0))
    assert one.reference.dtype == np.float32 and one.reference.shape == (8, 14)
    np.testing.assert_allclose(one.reference, whole[2:10, 3:17], rtol=1e-6)
    undersampled = dataclasses.replace(one, reference=None)
    assert acquired.with_magnitude(undersampled).reference is None


def test_a_reference_of_a_file_with_missing_columns_stays(rng):
    whole = one_slice(rng)
    gaps = whole.kspace * (np.arange(20) % 3 != 1)
    reference = (whole.kspace[0] * np.exp(0.3j)).astype(np.complex64)
    found = acquired.with_magnitude(
        dataclasses.replace(whole, kspace=gaps, reference=reference, shown=(8, 14))
    )
    np.testing.assert_array_equal(found.reference, np.abs(reference)[2:10, 3:17])
    padded = whole.kspace * (np.arange(20) >= 4)
    found = acquired.with_magnitude(dataclasses.replace(whole, kspace=padded))
    expected = np.sqrt(np.sum(np.abs(images(padded)) ** 2, axis=0))
    np.testing.assert_allclose(found.reference, expected, rtol=1e-5)


def test_it_is_that_of_the_package(rng):
    torch = pytest.importorskip("torch")
    fastmri = pytest.importorskip("fastmri")
    one = one_slice(rng)
    found = fastmri.ifft2c(torch.view_as_real(torch.tensor(one.kspace)))
    theirs = fastmri.rss_complex(found).numpy()
    np.testing.assert_allclose(one.reference, theirs, rtol=1e-5)


@pytest.mark.parametrize("pattern", ["equispaced", "equispaced_fraction", "random"])
def test_masks_are_drawn_by_the_rules_of_the_package(rng, pattern):
    config = dataclasses.replace(CONFIG, sampling=pattern)
    one = one_slice(rng)
    found, again = (acquired.masked(one, config, 7) for _ in range(2))
    expected = fastmri_masks.mask(pattern, config.seed_for("mask"), 7, 20, 3, 0.2)
    np.testing.assert_array_equal(found.slice.mask, expected)
    np.testing.assert_array_equal(again.slice.mask, expected)
    assert found.lines == 4 and expected[8:12].all()
    assert len({acquired.masked(one, config, i).slice.mask.tobytes() for i in range(10)}) > 1


def test_columns_with_which_a_file_is_padded_are_never_acquired(rng):
    one = one_slice(rng)
    padded = one.kspace.copy()
    padded[..., :4] = 0
    seen = acquired.masked(dataclasses.replace(one, kspace=padded), CONFIG, 0).slice
    assert not seen.mask[:4].any() and seen.mask[4:].any()


def test_a_files_own_mask_holds_and_its_lines_are_counted(rng):
    mask = np.arange(20) % 4 == 2
    mask[7:13] = True
    one = dataclasses.replace(one_slice(rng), mask=mask)
    seen = acquired.masked(one, CONFIG, 0)
    assert seen.slice is one and seen.lines == 0
    found = acquired.acquisition(seen, CONFIG)
    assert found["lines"] == 0 and "data_range" not in found
    assert not found["kspace"][..., ~mask].any()
    assert domain.measured(found)["calibration"] == pytest.approx(6 / 20)


def test_the_data_range_is_that_of_the_volume(rng):
    bright = one_slice(rng, "a", scale=9.0, volume="v")
    slices = [bright, one_slice(rng, "b", volume="v"), one_slice(rng, "c")]
    found = acquired.acquisitions(slices, CONFIG, 0)
    own = [one.reference.max() for one in slices]
    assert [one["data_range"] for one in found] == [own[0], own[0], own[2]]


def test_examples_are_stacked_without_maps(rng):
    slices = [one_slice(rng, str(i)) for i in range(3)]
    examples = acquired.Examples(slices, CONFIG)
    batch = examples.stack([2, 0])
    assert set(batch) == set(acquired.BATCH) and len(examples) == 3
    shapes = {name: array.shape for name, array in batch.items()}
    assert shapes == {
        "kspace": (2, 2, 12, 20),
        "mask": (2, 20),
        "lines": (2,),
        "reference": (2, 12, 20),
        "data_range": (2,),
    }
    np.testing.assert_array_equal(batch["kspace"][0], examples.get(2)["kspace"])


def test_slices_that_cannot_be_stacked_are_refused(rng):
    first = one_slice(rng, "first", shown=(8, 8))
    with pytest.raises(UserError, match="8 x 10"):
        acquired.Examples([first, one_slice(rng, "other", shown=(8, 10))], CONFIG)
    with pytest.raises(UserError, match="2 x 12 x 22"):
        acquired.Examples([first, one_slice(rng, "other", (2, 12, 22), shown=(8, 8))], CONFIG)
    with pytest.raises(UserError, match="no reference"):
        acquired.Examples([first, dataclasses.replace(first, reference=None)], CONFIG)


def test_slices_the_network_or_its_loss_cannot_take_are_refused(rng):
    with pytest.raises(UserError, match="one pixel after 4 poolings"):
        inputs.check(
            one_slice(rng, shape=(2, 12, 16)), dataclasses.replace(CONFIG, levels=4, sens_levels=4)
        )
    with pytest.raises(UserError, match="6 x 9 pixels that count"):
        inputs.check(one_slice(rng, shown=(6, 9)), dataclasses.replace(CONFIG, levels=1))
    constant = dataclasses.replace(one_slice(rng), reference=np.ones((12, 20), np.float32))
    with pytest.raises(UserError, match="constant"):
        inputs.check(constant, dataclasses.replace(CONFIG, levels=2, sens_levels=2))


def test_classical_images_are_magnitudes_of_the_part_that_counts(rng):
    one = one_slice(rng, shown=(8, 14))
    (seen,) = acquired.acquisitions([one], CONFIG, 0)
    found = classical.reconstruct(seen, classical.Tuned(iterations=3), (8, 14))
    whole = np.sqrt(np.sum(np.abs(images(seen["kspace"])) ** 2, axis=0))
    np.testing.assert_allclose(found["zero_filled"], whole[2:10, 3:17], rtol=1e-5)
    assert {(a.shape, a.dtype.name) for a in found.values()} == {((8, 14), "float32")}
    assert (found["cg_sense"] >= 0).all()
    assert isinstance(classical.tune([seen]), classical.Tuned)


def test_what_lies_outside_the_domain_gets_a_note(rng):
    config = dataclasses.replace(CONFIG, from_run="somewhere")
    one = one_slice(rng)
    (seen,) = acquired.acquisitions([one], config, 0)
    known = domain.record([seen])
    for acceleration, expected in ((3, 0), (10, 1)):
        account = Intake()
        other = dataclasses.replace(config, acceleration=acceleration, centre_fraction=0.1)
        found = acquired.acquisitions([one], other if expected else config, 0)
        domain.look(config, known, [one], found, account)
        text = " ".join(account.lines())
        assert ("an acceleration" in text) == ("calibration" in text) == bool(expected)
