"""The checks of data whose refusal a user may overrule with ``--accept=NAME,NAME``."""

from mrjax.errors import UserError

CHECKS = {
    "frame": "which frame of a NIfTI file is the scanner's",
    "shear": "an affine whose axes are not perpendicular",
    "voxel": "voxels outside 0.1 to 10 mm",
    "field": "the spread of a local field, and wraps in it",
    "chi": "the spread of a susceptibility map",
    "mask": "a mask whose values look like labels or like an image",
    "sampling": "zeros of one coil's k-space that may be a phantom's; energy at an edge of k-space",
    "times": "a dynamic series shorter than a minute or longer than two hours",
}
"""Name of a check: what it asks about."""


def accepted(text: str) -> frozenset[str]:
    """The checks that ``--accept`` names.

    Args:
        text: names separated by commas; empty for none.

    Returns:
        The names.

    Raises:
        UserError: a name that is not in `CHECKS`.
    """
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - set(CHECKS))
    if unknown:
        raise UserError(
            f"--accept={text} names {unknown[0]!r}, which is no check; expected names among "
            f"{', '.join(CHECKS)}, separated by commas; correct it"
        )
    return names
