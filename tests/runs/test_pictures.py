"""Planes of a volume: through the middle of its mask, with up as up."""

import numpy as np

from mrjax.runs import pictures


def test_planes_go_through_the_middle_of_the_mask():
    volume = np.arange(4 * 6 * 8).reshape(4, 6, 8)
    mask = np.zeros(volume.shape, bool)
    mask[1:4, 3:6, 5:8] = True
    axial, coronal, sagittal = pictures.planes(volume, mask)
    assert (axial == volume[:, :, 6].T[::-1]).all()
    assert (coronal == volume[:, 4, :].T[::-1]).all()
    assert (sagittal == volume[2, :, :].T[::-1]).all()


def test_few_slices_and_images_have_one_plane():
    volume = np.arange(4 * 6 * 8).reshape(4, 6, 8)
    (axial,) = pictures.planes(volume, np.zeros(volume.shape, bool), least=16)
    assert (axial == volume[:, :, 0].T[::-1]).all()
    (image,) = pictures.planes(volume[0], volume[0] > 0)
    assert image is volume[0] or (image == volume[0]).all()


def test_a_figure_needs_no_window():
    drawn = pictures.figure(2.0, 1.0)
    assert tuple(drawn.get_size_inches()) == (2.0, 1.0) and drawn.canvas.print_png
