"""The real brain through the authors' layout: what --dataset=qsmnet_mat trains from."""

import types

import numpy as np
import real_brain
from helpers import shared

from mrjax.data import pipeline, qsm


def test_the_real_brain_comes_back_from_the_authors_layout(tmp_path):
    data = shared("data/cos1.mat").parent
    real_brain.write(data, tmp_path, size=48)
    config = types.SimpleNamespace(dataset="qsmnet_mat", data_dir=str(tmp_path), unit="ppm")
    (train,), (test,) = qsm.subjects(config)
    expected = real_brain.real_brain(data, size=48)
    for subject in (train, test):
        for name in ("field", "chi", "mask"):
            np.testing.assert_array_equal(getattr(subject, name), getattr(expected, name))
    constants = pipeline.normalisation([train])
    # In vivo: 0.03 ppm of susceptibility give about half as much field.
    assert 0.01 < constants.chi_std < 0.1
    assert 0.2 < constants.field_std / constants.chi_std < 1.0
    assert len(pipeline.Patches([train], 32, 2)) == 8
