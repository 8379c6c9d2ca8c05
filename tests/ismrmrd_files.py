"""ISMRMRD files for tests, line by line, without the programs of the format."""

import numpy as np

from mrjax.data.formats import ismrmrd

CALIBRATION, BOTH, NOISE, NAVIGATOR, REVERSE = (1 << (bit - 1) for bit in (20, 21, 19, 23, 22))


def lines(kspace, columns=None, **changes) -> list:
    """Readouts of some columns of a k-space [coil row column]; changes are fields and counters."""
    import ismrmrd as mrd

    found = []
    for column in range(kspace.shape[2]) if columns is None else columns:
        line = mrd.Acquisition.from_array(
            np.ascontiguousarray(kspace[:, :, column]),
            center_sample=kspace.shape[1] // 2,
            sample_time_us=5.0,
        )
        line.idx.kspace_encode_step_1 = int(column)
        for key, value in changes.items():
            setattr(line.idx if hasattr(line.idx, key) else line, key, value)
        found.append(line)
    return found


def write(path, readouts, shape, edit=None) -> None:
    """A file of these readouts; `shape` is coils, rows and columns; `edit` changes the header."""
    import ismrmrd as mrd

    header = ismrmrd._header(mrd, *shape)
    if edit is not None:
        edit(header.encoding[0], header)
    with mrd.File(path, "w") as file:
        file["dataset"].header = header
        file["dataset"].acquisitions = readouts
