"""Masks by hand and by count, random streams, and oversampling with its adjoint."""

import numpy as np
import pytest
from helpers import dot_product_test, draw

from mrjax.errors import UserError
from mrjax.numerics.native import Native
from mrjax.physics import sampling, sense


def test_regular_by_hand():
    columns = np.flatnonzero(sampling.regular(16, 4, 4))
    assert columns.tolist() == [0, 4, 6, 7, 8, 9, 12]  # the zero frequency is column 8
    assert np.flatnonzero(sampling.regular(9, 4, 3, 1)).tolist() == [1, 3, 4, 5]
    assert np.flatnonzero(sampling.regular(9, 4, 0, 6)).tolist() == [2, 6]
    assert sampling.regular(7, 1, 0).all() and sampling.regular(7, 9, 7).all()


@pytest.mark.parametrize(("columns", "acceleration", "acs"), [(96, 4, 16), (97, 6, 9), (50, 2, 0)])
def test_variable_density_has_its_count_and_the_acs_lines(columns, acceleration, acs):
    for index in range(20):
        chosen = sampling.mask("random", 0, index, columns, acceleration, acs)
        assert chosen.dtype == bool and chosen.sum() == round(columns / acceleration)
        start = columns // 2 - acs // 2
        assert chosen[start : start + acs].all()
    few = sampling.mask("random", 0, 0, 40, 10, 12)  # more ACS lines than the acceleration allows
    assert few.sum() == 12


def test_density_falls_from_the_centre_and_every_line_can_be_drawn():
    counts = sum(sampling.mask("random", 3, i, 64, 4, 8).astype(int) for i in range(400))
    assert (counts[28:36] == 400).all()
    near = counts[20:28].mean() + counts[36:44].mean()
    middle = counts[10:20].mean() + counts[44:54].mean()
    far = counts[:10].mean() + counts[54:].mean()
    assert near > 1.5 * middle > 1.5 * 1.5 * far
    assert counts.min() > 0
    assert abs(counts[1:32].sum() - counts[:32:-1].sum()) < 0.1 * counts.sum()  # no side preferred


@pytest.mark.parametrize(("odds", "chosen"), [(16, 8), (18, 0)])
def test_the_edge_weighs_a_seventeenth_of_the_centre(odds, chosen):
    """Column 8 has even odds; column 0 is taken before it if its odds are above 17 to 1."""
    words = np.full(16, 2**8, np.uint32)
    words[8], words[0] = 2**31, round(2**32 * odds / (1 + odds))
    assert np.flatnonzero(sampling.variable_density(words, 16, 0)).tolist() == [chosen]


def test_streams():
    def columns(*arguments):
        return sampling.mask(*arguments, 96, 4, 16).tolist()

    assert columns("random", 0, 0) == columns("random", 0, 0)
    assert columns("random", 0, 0) != columns("random", 0, 1)
    assert columns("random", 0, 0) != columns("random", 1, 0)
    assert columns("regular", 0, 0) == columns("regular", 0, 5)  # one protocol for all slices
    offsets = {tuple(columns("regular", seed, 0)) for seed in range(40)}
    assert len(offsets) == 4
    regular = [sampling.regular(96, 4, 16, offset).tolist() for offset in range(4)]
    assert columns("regular", 0, 0) in regular


def test_masks_are_the_same_for_ever():
    """Recorded columns: if they change, so do the data of every trained network."""
    assert np.flatnonzero(sampling.mask("random", 7, 2, 24, 3, 4)).tolist() == [
        3,
        6,
        9,
        10,
        11,
        12,
        13,
        19,
    ]
    assert np.flatnonzero(sampling.mask("regular", 7, 2, 24, 5, 2)).tolist() == [
        4,
        9,
        11,
        12,
        14,
        19,
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("random", 0, 0, 32, 4, 33), "33 ACS lines of 32 columns"),
        (("regular", 0, 0, 32, 0, 4), "acceleration 0; expected at least 1"),
        (("regular", 0, 0, 32, 2, -1), "-1 ACS lines"),
        (("spiral", 0, 0, 32, 2, 4), "expected regular or random"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as raised:
        sampling.mask(*arguments)
    assert "\n" not in str(raised.value)


def test_oversampling_is_cut_as_the_public_code_cuts_it():
    rows = np.arange(12)[:, None] * np.ones((1, 2))
    assert sampling.remove_oversampling(rows)[:, 0].tolist() == [4, 5, 6, 7, 8, 9]
    padded = sampling.add_oversampling(np.ones((6, 2)), 12)
    assert padded[:, 0].tolist() == [0] * 4 + [1] * 6 + [0] * 2
    assert sampling.remove_oversampling(rows.T, -1).shape == (2, 6)
    with pytest.raises(UserError, match="7 readout points"):
        sampling.remove_oversampling(np.zeros((7, 2)))
    with pytest.raises(ValueError, match="half"):
        sampling.add_oversampling(np.zeros((5, 2)), 12)


@pytest.mark.parametrize("n", [12, 14])
def test_removing_and_adding_oversampling_are_adjoint(n, rng):
    dot_product_test(
        sampling.remove_oversampling,
        lambda x: sampling.add_oversampling(x, n),
        (2, n, 3),
        (2, n // 2, 3),
        rng,
    )


def test_cropping_kspace_once_equals_padding_at_every_application(rng):
    """The public code pads each image; its A* A equals that of the cropped k-space."""
    ar, n = Native(), 12
    maps, kspace = (draw(rng, (2, 3, n, 10), np.complex128) for _ in range(2))
    mask = np.stack([sampling.regular(10, 3, 2)] * 2)
    image = draw(rng, (2, n // 2, 10), np.complex128)
    larger = sampling.add_oversampling(image, n)
    short = sampling.remove_oversampling(maps)

    def back(y):
        return sampling.remove_oversampling(np.asarray(sense.adjoint(ar, y, maps, mask)))

    normal = back(sense.forward(ar, larger, maps, mask))
    cropped = sense.adjoint(ar, sense.forward(ar, image, short, mask), short, mask)
    assert np.allclose(cropped, normal, atol=1e-12)
    right = sense.adjoint(ar, sampling.crop_readout(kspace), short, mask)
    assert np.allclose(right, back(kspace), atol=1e-5)
    assert sampling.crop_readout(kspace).dtype == np.complex64
    # The k-space of an image inside the kept rows loses nothing but its phase origin.
    signal = np.asarray(sense.forward(ar, larger, maps, mask))
    again = sense.forward(ar, image, short, mask)
    assert np.allclose(sampling.crop_readout(signal), again, atol=1e-5)
