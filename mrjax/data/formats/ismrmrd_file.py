"""What an ISMRMRD file holds: its readouts, sorted by what they are for, and their encoding."""

import collections
import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mrjax.data.formats import border, hdf5_heaps
from mrjax.data.formats.ismrmrd_header import Encoding, bandwidth_ratio, encoding, not_flat
from mrjax.data.intake import Intake
from mrjax.data.words import text
from mrjax.errors import UserError

Readout = Any
"""ismrmrd.Acquisition, whose fields that package adds when it is imported."""

_UNUSED = (
    "NAVIGATION_DATA",
    "PHASECORR_DATA",
    "HPFEEDBACK_DATA",
    "DUMMYSCAN_DATA",
    "RTFEEDBACK_DATA",
    "SURFACECOILCORRECTIONSCAN_DATA",
    "PHASE_STABILIZATION_REFERENCE",
    "PHASE_STABILIZATION",
)
"""Flags of readouts that neither images nor maps nor noise are made of."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raw:
    """The readouts of one file.

    Attributes:
        encoding: of the imaging readouts.
        imaging: those that images are made of.
        calibration: those that only coil sensitivity maps are estimated from, and the imaging ones
            that say they serve both; empty unless there are some of the first kind.
        noise: those without a signal.
        bandwidth_ratio: noise bandwidth of the receiver as a share of the sampling bandwidth.
    """

    encoding: Encoding
    imaging: Sequence[Readout]
    calibration: Sequence[Readout]
    noise: Sequence[Readout]
    bandwidth_ratio: float


def package() -> ModuleType:
    """The package that reads and writes the format; UserError where it is not installed."""
    try:
        import ismrmrd
    except ImportError:
        raise UserError(
            "files of the ISMRMRD format need the package ismrmrd, which is not installed; "
            'pip install "mrjax[ismrmrd]"'
        ) from None
    return ismrmrd


def contents(path: Path, intake: Intake) -> Raw | None:
    """Read one file.

    Args:
        path: the file.
        intake: the run's account.

    Returns:
        Its readouts; None where there is no imaging one, which the account then says.

    Raises:
        UserError: the package is missing, the file is not readable or holds no such data, or it
            holds what is no two-dimensional Cartesian encoding.
    """
    header, readouts = _read(path)
    kinds = _sorted(readouts)
    name = text(path.name)
    imaging = [*kinds["imaging"], *kinds["both"]]
    if not imaging:
        intake.leave_out(name, "no imaging readout in it")
        return None
    if kinds["unused"]:
        intake.note("readouts that are no imaging ones (navigators and the like) are unused", name)
    space = _one_space(name, imaging, len(header.encoding))
    only = [one for one in kinds["calibration"] if one.encoding_space_ref == space]
    if len(only) < len(kinds["calibration"]):
        intake.note("calibration lines of another encoding are unused", name)
    return Raw(
        encoding=encoding(name, header.encoding[space], intake),
        imaging=imaging,
        calibration=[*only, *kinds["both"]] if only else [],
        noise=kinds["noise"],
        bandwidth_ratio=bandwidth_ratio(header),
    )


def _read(path: Path) -> tuple[Any, list[Readout]]:
    """The header and all readouts."""
    ismrmrd = package()
    try:
        with ismrmrd.File(path, "r") as file:
            name = _data_set(path, file)
            hdf5_heaps.check(path)
            hdf5_heaps.check_length(path, file[name].acquisitions.data)
            readouts = file[name].acquisitions[:]
        return _header(path, name), readouts
    except UserError:
        raise
    except Exception as error:  # a damaged file raises nearly anything from h5py and xsdata
        raise UserError(
            f"{path} is not a readable ISMRMRD file ({border.one_line(error)}); expected one with "
            "a header and readouts; close the program that has it open, or copy the file again"
        ) from error


def _header(path: Path, name: str) -> Any:
    """The header of a group: parts unknown to the format are passed by, wrong values raise."""
    from xsdata.exceptions import ConverterWarning
    from xsdata.formats.dataclass.parsers import XmlParser
    from xsdata.formats.dataclass.parsers.config import ParserConfig

    ismrmrd = package()
    with ismrmrd.Dataset(path, name, mode="r") as data:
        document = data.read_xml_header()
    parser = XmlParser(config=ParserConfig(fail_on_unknown_properties=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConverterWarning)
        return parser.from_bytes(document, ismrmrd.xsd.ismrmrdHeader)


def _data_set(path: Path, file: Any) -> str:
    """The group of the file that holds a header and readouts."""
    names = sorted(n for n in file.find_data() if file[n].has_header() and file[n].acquisitions)
    if len(names) != 1:
        held = ", ".join(sorted(map(str, file.keys()))) or "nothing"
        raise UserError(
            f"{path} has {len(names)} groups with xml and data; expected exactly one beside or "
            f"instead of {held}; take one measurement a file (fastMRI's files: --dataset=fastmri)"
        )
    return names[0]


def _sorted(readouts: Sequence[Readout]) -> dict[str, list[Readout]]:
    """Readouts by what they are for; "both" are those for images and for calibration."""
    found: dict[str, list[Readout]] = collections.defaultdict(list)
    for one in readouts:
        found[_kind(one)].append(one)
    return found


def _kind(one: Readout) -> str:
    if _is(one, "NOISE_MEASUREMENT"):
        return "noise"
    if _is(one, *_UNUSED):
        return "unused"
    if _is(one, "PARALLEL_CALIBRATION_AND_IMAGING"):
        return "both"
    return "calibration" if _is(one, "PARALLEL_CALIBRATION") else "imaging"


def _is(one: Readout, *flags: str) -> bool:
    """Whether a readout has one of the flags."""
    return any(one.is_flag_set(getattr(package(), f"ACQ_IS_{flag}")) for flag in flags)


def _one_space(name: str, imaging: Sequence[Readout], spaces: int) -> int:
    """Number of the encoding that the imaging readouts have in common."""
    used = sorted({int(one.encoding_space_ref) for one in imaging})
    if len(used) > 1 or used[0] >= spaces:
        raise UserError(
            f"the imaging readouts of {name} have the encodings {', '.join(map(str, used))} of "
            f"{spaces} in its header; expected one encoding; write one measurement a file"
        )
    if any(_is(one, "REVERSE") for one in imaging):
        raise UserError(
            f"{name} has readouts of both directions (echo-planar imaging); expected readouts of "
            "one direction; leave it out"
        )
    if any(one.idx.kspace_encode_step_2 for one in imaging):
        raise UserError(not_flat(name, "has more than one"))
    return used[0]
