"""One training step of each task in both frameworks: same weights, same batch, same numbers.

Losses with absolute values have kinks: where rounding decides on which side of one a voxel lies,
a float32 gradient jumps by some 1e-4 of its norm. That happens in about one of ten batches of
noise or brains; those here are fixed, and none of their voxels is that close.
"""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from pytorch.parity import cases, steps

BOUNDS = {
    # outputs, loss, gradients; parameters and statistics after a step
    "float32": (1e-5, 1e-6, 1e-4, 1e-4, 1e-6),
    "float64": (1e-10, 1e-10, 1e-10, 1e-9, 1e-10),
}
KINDS = ("noise", "masked")


@pytest.fixture(scope="module", params=list(cases.MAKERS))
def task(request):
    return request.param


@pytest.fixture(scope="module", params=list(BOUNDS))
def results(request, task):
    """Data type, and kind of batch -> our results and torch's."""
    dtype, rng = request.param, np.random.default_rng(20221165)
    case = cases.MAKERS[task](dtype, rng)
    params, stats = (cases.cast(tree, dtype) for tree in cases.trained(case, rng))
    ours, found = steps.our_results(case), {}
    for kind in KINDS:
        batch = cases.cast(case.batches[kind], dtype)
        theirs = steps.their_results(case, params, stats, batch)
        found[kind] = ours(params, stats, batch), theirs
    return dtype, found, LEAST.get(task, 0)


LEAST = {"end-to-end": 1}
"""Size of a loss to which its error is relative: this one is 1 minus a mean similarity near 1."""
FLAT = {"cascade0/data_weight"}
"""Its gradient is zero, because the first cascade begins with the measured k-space."""


@pytest.mark.parametrize("kind", KINDS)
def test_same_outputs_and_losses(results, kind):
    dtype, found, least = results
    ours, theirs = found[kind]
    outputs, losses, *_ = BOUNDS[dtype]
    for actual, expected in zip(ours[:2], theirs[:2], strict=True):
        assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
        assert np.abs(actual - expected).max() <= outputs * np.abs(expected).max()
    assert abs(ours.loss - theirs.loss) <= losses * max(abs(theirs.loss), least)


@pytest.mark.parametrize("kind", KINDS)
def test_same_gradients(results, kind):
    dtype, found, _ = results
    ours, theirs = found[kind]
    flat = {name for name, g in theirs.gradients.items() if not np.any(g)}
    assert flat <= FLAT, "a gradient is zero: nothing to see"
    assert steps.distance(ours.gradients, theirs.gradients) <= BOUNDS[dtype][2]


@pytest.mark.parametrize("kind", KINDS)
def test_same_parameters_and_statistics_after_a_step(results, kind):
    dtype, found, _ = results
    ours, theirs = found[kind]
    *_, parameters, statistics = BOUNDS[dtype]
    moved = [steps.with_true_gradient(r.parameters) for r in (ours, theirs)]
    assert steps.distance(*moved) <= parameters
    if theirs.statistics:
        assert steps.distance(ours.statistics, theirs.statistics) <= statistics
