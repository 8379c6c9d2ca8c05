"""Damaged files of every format that mrjax reads: a right result or one line, never anything else.

    python tests/damage.py 500

damages a file of each format so often, each format in a process of its own, and prints a row for
each: files read, files refused in one line, the longest reading and the most memory. It ends with
exit code 1 where a process ended otherwise. tests/data/formats/test_damaged.py does the same with
fewer files. Bytes are changed and files cut short at places drawn from one seed, so a failure
repeats.
"""

import contextlib
import faulthandler
import gzip
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel as nib
import numpy as np
import pytest
import scipy.io
from slices import random_slice

from mrjax.data.formats import (
    bart,
    dce,
    dce_nifti,
    fastmri,
    hammernik,
    ismrmrd,
    nifti,
    qsmnet,
    qsmnet_hdf5,
)
from mrjax.data.intake import Intake
from mrjax.errors import UserError

SHAPE = (8, 9, 8)
ACCEPTED = "frame,shear,voxel,field,chi,mask,sampling,times"
SECONDS = 60
"""A reading that takes longer counts as one that hangs."""
MEMORY = 500 * 2**20
"""Memory that reading a small damaged file may take [bytes]."""


def noise(*shape: int, scale: float = 0.03) -> np.ndarray:
    return np.random.default_rng(0).normal(0, scale, shape).astype(np.float32)


def _subject(folder, make, suffix, of="localfield"):
    for name, volume in (("localfield", noise(*SHAPE)), ("mask", np.ones(SHAPE, np.uint8))):
        image = make(volume, np.eye(4))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, folder / f"a_{name}{suffix}")
    return folder / f"a_{of}{suffix}"


def write_nifti(folder):
    return _subject(folder, nib.Nifti1Image, ".nii")


def write_nifti2(folder):
    return _subject(folder, nib.Nifti2Image, ".nii")


def write_gz(folder):
    return _subject(folder, nib.Nifti1Image, ".nii.gz")


def write_mask(folder):
    return _subject(folder, nib.Nifti1Image, ".nii", of="mask")


def write_labels(folder):
    write_nifti(folder)
    labels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) % 5
    image = nib.Nifti1Image(labels, np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / "a_dseg.nii")
    return folder / "a_dseg.nii"


def write_pair(folder):
    return _subject(folder, nib.Nifti1Pair, ".img").with_suffix(".hdr")


def write_pair_numbers(folder):
    return _subject(folder, nib.Nifti1Pair, ".img")


def write_dce(folder):
    image = nib.Nifti1Image(np.abs(noise(*SHAPE, 4)), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 60
    nib.save(image, folder / "a_dce.nii")
    return folder / "a_dce.nii"


def write_sidecar(folder):
    write_dce(folder)
    path = folder / "a_dce.json"
    path.write_text('{"VolumeTiming": [0, 60.5, 121, 181.5], "Manufacturer": "none"}')
    return path


def write_fastmri(folder):
    fastmri.write_fastmri([random_slice(0, (2, 16, 16))], folder / "a.h5")
    with h5py.File(folder / "a.h5", "a") as file:
        file["mask"] = np.ones(16, np.float32)
    return folder / "a.h5"


def write_fastmri_text(folder):
    """A header of variable length lies in a heap; it is read where there is no image."""
    path = write_fastmri(folder)
    with h5py.File(path, "a") as file:
        header = file["ismrmrd_header"][()]
        del file["ismrmrd_header"], file["reconstruction_rss"]
        file["ismrmrd_header"] = header.decode()
        assert file["ismrmrd_header"].dtype.hasobject
    return path


def write_ismrmrd(folder):
    pytest.importorskip("ismrmrd", reason="needs ismrmrd-package: pip install ismrmrd")
    ismrmrd.write_ismrmrd([random_slice(0, (2, 16, 16))], folder / "a.h5")
    return folder / "a.h5"


def write_patches(folder):
    arrays = {key: noise(1, 8, 8, 8, 1) for key in ("temp_i", "temp_l")}
    with h5py.File(folder / "a.hdf5", "w") as file:
        for key, array in (arrays | {"temp_m": np.ones((1, 8, 8, 8, 1), np.float32)}).items():
            file[key] = array
    return folder / "a.hdf5"


def write_bart_header(folder):
    kspace = np.moveaxis(random_slice(0, (2, 16, 16)).kspace, 0, 2)
    bart.write_cfl(folder / "a.cfl", kspace[:, :, None])
    return folder / "a.hdr"


def write_bart_numbers(folder):
    return write_bart_header(folder).with_suffix(".cfl")


def write_qsmnet(folder, compressed=False):
    (folder / "Test/Input").mkdir(parents=True)
    path = folder / "Test/Input/test_input1.mat"
    content = {"phs_tissue": noise(*SHAPE), "mask": np.ones(SHAPE, np.uint8)}
    scipy.io.savemat(path, content, do_compression=compressed)
    return path


def write_qsmnet_compressed(folder):
    return write_qsmnet(folder, compressed=True)


def write_qsmnet73(folder):
    (folder / "Test/Input").mkdir(parents=True)
    path = folder / "Test/Input/test_input1.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["phs_tissue"], file["mask"] = noise(*SHAPE).T, np.ones(SHAPE, np.uint8).T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def write_series(folder):
    content = {"dce": np.abs(noise(*SHAPE, 4)), "times": 60 * np.arange(4.0)}
    scipy.io.savemat(folder / "a.mat", content)
    return folder / "a.mat"


def write_hammernik(folder):
    hammernik.write_hammernik([random_slice(0, (2, 16, 16))], folder)
    return folder / "synthetic/1/rawdata1.mat"


def write_hammernik_maps(folder):
    return write_hammernik(folder).with_name("espirit1.mat")


def write_tfds(folder, pattern="*.array_record*"):
    from mrjax.data import making  # TFDS takes seconds to import

    sizes = {"volume": 16, "shape": (16, 16), "coils": 2, "patch": 8, "patches": (1, 1, 1)}
    asked = making.Asked(numbers=(1, 1), seeds=(0, 0), **sizes)
    return min(making.build("qsm_brain", folder, asked).glob(pattern))


def write_tfds_info(folder):
    return write_tfds(folder, "dataset_info.json")


def write_tfds_features(folder):
    return write_tfds(folder, "features.json")


def read_tfds(folder, intake):
    """Records have checksums, so what is read is right: also how many subjects there are."""
    from mrjax.data import builders

    found = builders.load(folder)
    train, test = ([_known(one) for one in split] for split in found)
    if (folder / "known.npz").exists():
        known = np.load(folder / "known.npz")
        np.testing.assert_array_equal(train, known["train"])
        np.testing.assert_array_equal(test, known["test"])
    else:
        np.savez(folder / "known.npz", train=train, test=test)
    return found


def _known(one):
    """A digest of a brain, as a number."""
    arrays = (one.field, one.chi, one.mask, np.array(one.voxel_size), np.array(one.b0_direction))
    values = [one.name, *((a.dtype.str, a.shape, a.tobytes()) for a in arrays)]
    return int.from_bytes(hashlib.sha256(repr(values).encode()).digest()[:8], "little")


def read_nifti(folder, intake):
    (one,) = nifti.nifti(folder, "ppm", intake=intake)
    nifti.write_nifti(folder / "out/o.nii", one.field, grid=one.grid)
    shutil.rmtree(folder / "out")


def read_labels(folder, intake):
    read_nifti(folder, intake)
    refused = [note for note in intake.notes if note.startswith("segmentations that are not used")]
    if refused:  # which stops no run
        raise UserError(refused[0])


def read_qsmnet(folder, intake):
    return qsmnet.qsmnet_mat(folder, intake)


def read_hammernik(folder, intake):
    return hammernik.read(folder / "synthetic/1", 4, intake)


def read_bart(folder, intake):
    return bart.read(folder / "a.cfl", "acs", 8, intake)


FORMATS = {
    "nifti": (write_nifti, read_nifti),
    "nifti2": (write_nifti2, read_nifti),
    "nifti_gz": (write_gz, read_nifti),
    "nifti_mask": (write_mask, read_nifti),
    "nifti_labels": (write_labels, read_labels),
    "pair_hdr": (write_pair, read_nifti),
    "pair_img": (write_pair_numbers, read_nifti),
    "dce": (write_dce, dce_nifti.dce_nifti),
    "dce_json": (write_sidecar, dce_nifti.dce_nifti),
    "fastmri": (write_fastmri, lambda folder, i: fastmri.read(folder / "a.h5", "acs", 8, i)),
    "fastmri_text": (
        write_fastmri_text,
        lambda folder, i: fastmri.read(folder / "a.h5", "acs", 8, i),
    ),
    "ismrmrd": (write_ismrmrd, lambda folder, i: ismrmrd.read(folder / "a.h5", "acs", 8, i)),
    "patches": (write_patches, qsmnet_hdf5.qsmnet_patches),
    "bart_hdr": (write_bart_header, read_bart),
    "bart_cfl": (write_bart_numbers, read_bart),
    "mat5": (write_qsmnet, read_qsmnet),
    "mat5_compressed": (write_qsmnet_compressed, read_qsmnet),
    "mat73": (write_qsmnet73, read_qsmnet),
    "series": (write_series, dce.dce_mat),
    "hammernik": (write_hammernik, read_hammernik),
    "hammernik_maps": (write_hammernik_maps, read_hammernik),
    "tfds": (write_tfds, read_tfds),
    "tfds_info": (write_tfds_info, read_tfds),
    "tfds_features": (write_tfds_features, read_tfds),
}
"""Format -> a writer, which returns the file to damage, and the reader."""


def damaged(path: Path, content: bytes, draw: np.random.Generator) -> bytes:
    """Cut short, or with up to five bytes changed, mostly where the headers are."""
    if path.suffix == ".gz" and draw.random() < 0.5:  # else most damage is one of the checksum
        return gzip.compress(damaged(path.with_suffix(""), gzip.decompress(content), draw), 1)
    header = {".nii": 540, ".hdr": 348, ".mat": 512}.get(path.suffix, 2048)
    if draw.random() < 0.2:
        return content[: draw.integers(len(content))]
    changed = bytearray(content)
    for _ in range(draw.integers(1, 6)):
        reach = min(header, len(content)) if draw.random() < 0.8 else len(content)
        changed[draw.integers(reach)] = draw.choice([0, 1, 127, 128, 255, draw.integers(256)])
    return bytes(changed)


class Found(NamedTuple):
    """What came of the damaged files of one format.

    Attributes:
        read: number of files that were read.
        lines: what was said of the others.
        seconds: of the longest reading.
        memory: that the process took beyond what it had [bytes].
    """

    read: int
    lines: list[str]
    seconds: float
    memory: int


def attempts(name: str, folder: Path, number: int) -> Found:
    """Read so many damaged files of a format.

    Raises:
        Exception: what a reader raises that is not one line for the user.
    """
    write, read = FORMATS[name]
    path = write(folder)
    content, draw = path.read_bytes(), np.random.default_rng(1)
    read(folder, Intake.insisting(ACCEPTED))
    before, longest, lines = _peak(), 0.0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's about NaN, nibabel's about the header
        for _ in range(number):
            path.write_bytes(damaged(path, content, draw))
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            began = time.perf_counter()
            try:
                read(folder, Intake.insisting(ACCEPTED))
            except UserError as error:
                lines.append(str(error))
            longest = max(longest, time.perf_counter() - began)
            faulthandler.cancel_dump_traceback_later()
    return Found(number - len(lines), lines, longest, _peak() - before)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def row(name: str, number: int) -> bool:
    """Try a format in this process; print a row and say whether all is well."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(sys.stdout):
        found = attempts(name, Path(folder), number)
    broken = sum("\n" in line for line in found.lines)
    print(
        f"{name:<16}{found.read:>6} read{len(found.lines):>6} refused"
        f"{found.seconds:>8.2f} s at most{found.memory / 2**20:>7.0f} MiB more"
    )
    return not broken and found.memory <= MEMORY


def main(argv: list[str]) -> int:
    number, names = int(argv[1]), argv[2:] or list(FORMATS)
    if len(names) == 1:
        return 0 if row(names[0], number) else 1
    failed = []
    for name in names:
        done = subprocess.run([sys.executable, __file__, argv[1], name], text=True)
        failed += [f"{name} (exit code {done.returncode})"] if done.returncode else []
    print("all well" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
