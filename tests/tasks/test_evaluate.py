"""Metrics of the tasks: which there are, and what they are computed from."""

import dataclasses

import numpy as np
import pytest
from skimage.metrics import structural_similarity
from slices import random_slice

from mrjax import metrics
from mrjax.arrays import QsmSubject
from mrjax.tasks.qsm import evaluate as of_maps
from mrjax.tasks.varnet import evaluate as of_images


def test_maps_are_compared_on_the_mean_of_the_mask():
    """A field does not determine the mean of a map, so no metric depends on it."""
    rng = np.random.default_rng(0)
    mask = np.ones((12, 12, 12), bool)
    mask[:2] = False
    truth = np.where(mask, rng.normal(0, 0.05, mask.shape), 0)
    subject = QsmSubject(name="s", field=truth, chi=truth, mask=mask)
    chi = truth + rng.normal(0, 0.02, mask.shape)
    found = of_maps.evaluate(chi, subject)
    assert tuple(found) == of_maps.METRICS and found["xsim"] < 0.99
    assert of_maps.evaluate(chi + 0.1, subject) == pytest.approx(found)
    a, b = (of_maps.demeaned(m, mask) for m in (chi, truth))
    assert found["xsim"] == metrics.xsim(a, b, mask)


def test_slices_of_a_volume_share_their_range():
    """fastmri.evaluate.ssim: the mean over slices, with the maximum of the volume."""
    bright, dark = random_slice(0), random_slice(1)
    dark = dataclasses.replace(dark, reference=0.2 * dark.reference)
    noise = np.random.default_rng(0).normal(0, 0.05, dark.reference.shape)
    found = [{"network": one.reference + noise} for one in (bright, dark)]
    gt = np.abs([bright.reference, dark.reference])
    pred = np.abs([one["network"] for one in found])
    expected = [structural_similarity(gt[i], pred[i], data_range=gt.max()) for i in (0, 1)]
    volume = [dataclasses.replace(one, volume="v") for one in (bright, dark)]
    table = of_images.table(found, volume)["network"]
    assert tuple(table) == of_images.METRICS
    assert table["ssim_fastmri"] == pytest.approx(expected, abs=1e-6)
    alone = of_images.table(found, [bright, dark])["network"]
    assert alone["ssim_fastmri"][0] == table["ssim_fastmri"][0]
    own = structural_similarity(gt[1], pred[1], data_range=gt[1].max())
    assert alone["ssim_fastmri"][1] == pytest.approx(own, abs=1e-6)
    assert own < table["ssim_fastmri"][1] - 0.05
    assert {k: v for k, v in alone.items() if k != "ssim_fastmri"} == {
        k: v for k, v in table.items() if k != "ssim_fastmri"
    }


def test_a_slice_without_a_reference_has_no_part_in_the_range_of_its_volume():
    one = dataclasses.replace(random_slice(0), volume="v")
    other = dataclasses.replace(random_slice(1), volume="v", reference=None)
    images = [{"network": one.reference}] * 2
    assert of_images.table(images, [one, other])["network"]["ssim_fastmri"] == [1.0]
    assert of_images.largest_of_volumes([other]) == {}
