"""Checkpoints that cannot be read are none, whatever is wrong with them."""

import zipfile

import numpy as np

from mrjax.study.gather import checkpoints


def test_a_checkpoint_with_broken_compression_is_damaged(tmp_path):
    path = tmp_path / "step_00000001.npz"
    np.savez_compressed(path, **{"params/kernel": np.arange(1000.0)})
    found = checkpoints.read(path, checkpoints.PARAMS)
    assert found is not None and list(found) == ["params/kernel"]
    with zipfile.ZipFile(path) as archive:
        entry = archive.infolist()[0]
    start = entry.header_offset + 30 + len(entry.filename) + 20  # behind the entry's own header
    content = bytearray(path.read_bytes())
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert checkpoints.read(path, checkpoints.PARAMS) is None
