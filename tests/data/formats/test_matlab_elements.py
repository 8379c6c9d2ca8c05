"""The elements of MATLAB files are checked before scipy, which trusts them, reads the file."""

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from mrjax.data.formats import matlab, matlab_elements
from mrjax.errors import UserError

VOLUME = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_kind_of_variable_is_passed(tmp_path, compressed):
    """Those that are no arrays of numbers are known, and are not given to scipy's reader."""
    content = {
        "volume": VOLUME, "parts": VOLUME * (1 + 2j), "one": 3.0, "none": np.zeros((0, 2)),
        "mask": VOLUME > 3, "text": "words", "cell": np.array([[1, "a"]], object),
        "struct": {"a": VOLUME}, "sparse": scipy.sparse.eye(3), "last": np.ones(1, np.int64),
    }  # fmt: skip
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, content, do_compression=compressed)
    numeric = {"volume", "parts", "one", "none", "mask", "last"}
    assert matlab_elements.check(path) == {name: name in numeric for name in content}
    np.testing.assert_array_equal(matlab.read(path, "parts", matlab.COMPLEX), VOLUME * (1 + 2j))
    with pytest.raises(UserError, match=r"variable struct of .* is not an array of real numbers"):
        matlab.read(path, "struct")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (128, 200, "a variable is of type 200"),
        (132, 255, "the file ends before its variables do"),
        (136, 1, "a variable has no flags"),
        (144, 99, "a variable is of class 99"),
        (152, 9, "a variable has no dimensions"),
        (160, 3, "volume has the dimensions .3, 3, 4. but 96 bytes"),
        (176, 7, "a variable has no name"),
        (192, 200, "the numbers of volume are of type 200"),
    ],
)
def test_an_element_that_does_not_fit_is_named(tmp_path, place, value, said):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"volume": VOLUME})
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        matlab_elements.check(path)
    with pytest.raises(UserError, match=rf"cannot be read as a .mat file \(.*{said}"):
        matlab.read(path, "volume")
