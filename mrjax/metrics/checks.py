"""Checks before an image is compared with its reference."""

import numpy as np
from jaxtyping import Bool, Num

from mrjax.errors import UserError

Image = Num[np.ndarray, "..."]
Mask = Bool[np.ndarray, "..."]


def prepared(x: Image, reference: Image, mask: Mask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check both images and the mask; return them as float64 and bool."""
    x, reference = np.asarray(x), np.asarray(reference)
    mask = np.asarray(mask).astype(bool)
    if not x.shape == reference.shape == mask.shape:
        raise ValueError(f"shapes differ: {x.shape=}, {reference.shape=}, {mask.shape=}")
    if np.iscomplexobj(x) or np.iscomplexobj(reference):
        raise ValueError("metrics compare real images; take the magnitude first")
    if not mask.any():
        raise UserError(
            "the mask is empty; expected at least one voxel inside; check the mask file"
        )
    for name, image in (("image", x), ("reference", reference)):
        if not np.isfinite(image[mask]).all():
            raise UserError(
                f"the {name} has NaN or infinite values in the mask; "
                "expected finite numbers; check where they come from"
            )
    # Outside the mask NaN means "not measured"; a window that reaches there sees zero.
    x, reference = (np.where(np.isfinite(i), i, 0).astype(np.float64) for i in (x, reference))
    return x, reference, mask


def norm(reference: np.ndarray, meaning: str) -> float:
    """Return the norm of the reference; UserError where it is zero, which `meaning` says."""
    found = float(np.linalg.norm(reference))
    if found == 0.0:
        raise UserError(
            f"the reference is {meaning} in the mask, so a relative error is not defined; "
            "expected a reference with contrast; check the reference file and the mask"
        )
    return found


def data_range(reference: np.ndarray, mask: np.ndarray) -> float:
    """Return the maximum of the reference in the mask, which must be a usable range."""
    largest = float(reference[mask].max())
    if largest <= 0.0:
        raise UserError(
            f"the maximum of the reference in the mask is {largest}, so there is no data range; "
            "expected a positive maximum; check the reference file and the mask"
        )
    if largest == float(reference[mask].min()):
        raise UserError(
            f"the reference is constant ({largest}) in the mask; "
            "expected a reference with contrast; check the reference file and the mask"
        )
    return largest
