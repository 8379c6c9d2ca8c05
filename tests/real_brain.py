"""The real brain of ../shared in the QSMnet authors' layout; a test's material and a script.

    python tests/real_brain.py DIR [--size=N]

writes DIR/Train and DIR/Test with the same subject: the measured COSMOS susceptibility, the field
that the zero-padded dipole model gives for it, and noise. With --size only the N^3 voxels in the
middle are kept.
"""

import sys
from pathlib import Path

import numpy as np
import scipy.io

from mrjax.arrays import QsmSubject
from mrjax.data.formats import qsmnet
from mrjax.physics import dipole

NOISE_PPM = 0.0035


def real_brain(data: Path, size: int = 160, seed: int = 0) -> QsmSubject:
    """The brain with a modelled field.

    Args:
        data: folder with cos1.mat (key cos [ppm]) and msk1.mat (key msk).
        size: edge of the cube kept around the centre [voxels].
        seed: of the noise.

    Returns:
        Subject of 1 mm voxels, B0 along the third axis.
    """
    low = (160 - size) // 2
    box = (slice(low, low + size),) * 3
    mask = scipy.io.loadmat(data / "msk1.mat")["msk"][box] > 0
    chi = np.where(mask, scipy.io.loadmat(data / "cos1.mat")["cos"][box], 0).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, NOISE_PPM, chi.shape)
    field = np.where(mask, dipole.field_host(chi) + noise, 0).astype(np.float32)
    return QsmSubject(name="real", field=field, chi=chi, mask=mask)


def write(data: Path, data_dir: Path, size: int = 160) -> None:
    """Write it as the only training and the only test subject."""
    subject = real_brain(data, size)
    qsmnet.write_qsmnet_mat([subject], data_dir, test=[subject])


if __name__ == "__main__":
    asked = [int(a.removeprefix("--size=")) for a in sys.argv[2:]]
    write(Path(__file__).resolve().parents[2] / "shared/data", Path(sys.argv[1]), *asked)
