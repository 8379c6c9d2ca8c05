"""Weights of the end-to-end variational network under the names of fastMRI's PyTorch module.

The names are those of ``fastmri.models.VarNet(...).state_dict()`` in the package fastmri 0.3.0,
without or with the prefixes that Lightning (``varnet.``) and torch's wrappers (``module.``) put
before them. Weights are moved between two orders of axes and never computed with, so that a network
that goes out and comes back has the same bits.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

from mrjax.errors import UserError

Leaves = dict[str, np.ndarray]
Order = Sequence[int] | None

KERNEL = (2, 3, 1, 0)
"""Axes of torch's convolution kernel (o, i, row, column) in the order (row, column, i, o)."""
TRANSPOSED = (2, 3, 0, 1)
"""Axes of torch's transposed kernel (i, o, row, column) in the order (row, column, i, o)."""
PREFIXES = re.compile(r"^(?:module\.|_orig_mod\.|varnet\.|model\.(?=sens_net|cascades|varnet))+")
LOSS = re.compile(r"^(?:module\.)*loss\.w$")
"""Window of the loss, which Lightning stores beside the network."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a network: the fields of `mrjax.nets.e2e.E2EVarNet`."""

    cascades: int
    width: int
    levels: int
    sens_width: int
    sens_levels: int


def pairs(sizes: Sizes) -> Iterator[tuple[str, str, Order]]:
    """Yield our path, fastMRI's name and the order of axes of every leaf.

    Args:
        sizes: sizes of the network.

    Yields:
        Path such as ``cascade0/net/unet/down0_0/kernel``, name such as
        ``cascades.0.model.unet.down_sample_layers.0.layers.0.weight``, and the axes of the named
        array in the order of ours; None for a data weight, which fastMRI has with one axis.
    """
    yield from _of_unet("sens/net/unet", "sens_net.norm_unet.unet", sizes.sens_levels)
    for i in range(sizes.cascades):
        yield f"cascade{i}/data_weight", f"cascades.{i}.dc_weight", None
        yield from _of_unet(f"cascade{i}/net/unet", f"cascades.{i}.model.unet", sizes.levels)


def _of_unet(ours: str, theirs: str, levels: int) -> Iterator[tuple[str, str, Order]]:
    for level in range(levels):
        yield from _of_block(f"{ours}/down{level}", f"{theirs}.down_sample_layers.{level}")
    yield from _of_block(f"{ours}/bottom", f"{theirs}.conv")
    for place, level in enumerate(reversed(range(levels))):
        up = f"{theirs}.up_transpose_conv.{place}.layers.0.weight"
        yield f"{ours}/up{level}/transposed_kernel", up, TRANSPOSED
        merge = f"{theirs}.up_conv.{place}" + ("" if level else ".0")
        yield from _of_block(f"{ours}/merge{level}", merge)
    last = f"{theirs}.up_conv.{levels - 1}.1"
    yield f"{ours}/out/kernel", f"{last}.weight", KERNEL
    yield f"{ours}/out/bias", f"{last}.bias", (0,)


def _of_block(ours: str, theirs: str) -> Iterator[tuple[str, str, Order]]:
    for i, layer in enumerate((0, 4)):
        yield f"{ours}_{i}/kernel", f"{theirs}.layers.{layer}.weight", KERNEL


def sizes_of(state: Mapping[str, Shaped[np.ndarray, "..."]]) -> Sizes:
    """Return the sizes of a network from the names and shapes of its weights.

    Args:
        state: fastMRI's names without prefixes, to arrays.

    Returns:
        The sizes.

    Raises:
        UserError: names or shapes are not those of such a network.
    """
    width, levels = _size_of_unet(state, "cascades.0.model.unet")
    sens_width, sens_levels = _size_of_unet(state, "sens_net.norm_unet.unet")
    cascades = sum(bool(re.fullmatch(r"cascades\.\d+\.dc_weight", name)) for name in state)
    return Sizes(cascades, width, levels, sens_width, sens_levels)


def _size_of_unet(state: Mapping[str, np.ndarray], prefix: str) -> tuple[int, int]:
    first = f"{prefix}.down_sample_layers.0.layers.0.weight"
    if first not in state or state[first].ndim != 4:
        raise UserError(
            f"no convolution kernel {first} among the {len(state)} weights; expected the "
            "state_dict of a fastmri.models.VarNet; give such a file"
        )
    level = re.compile(re.escape(prefix) + r"\.down_sample_layers\.\d+\.layers\.0\.weight")
    return state[first].shape[0], sum(bool(level.fullmatch(name)) for name in state)


def imported(state: Mapping[str, Shaped[np.ndarray, "..."]]) -> tuple[Sizes, Leaves]:
    """Return the leaves of our network from weights under fastMRI's names.

    Args:
        state: names, with or without prefixes, to arrays of float32. The window of the loss, a
            constant, is left out.

    Returns:
        The sizes of the network, and its leaves by path.

    Raises:
        UserError: a weight is missing, superfluous, of another shape or type, or there twice.
    """
    plain = _without_prefixes(state)
    sizes = sizes_of(plain)
    table = list(pairs(sizes))
    _insist(plain, {theirs: shape for theirs, shape in _shapes(sizes)})
    leaves = {ours: _taken(plain[theirs], order) for ours, theirs, order in table}
    return sizes, leaves


def exported(sizes: Sizes, leaves: Mapping[str, Shaped[np.ndarray, "..."]]) -> Leaves:
    """Return weights under fastMRI's names from the leaves of our network.

    Args:
        sizes: sizes of the network.
        leaves: leaves by path.

    Returns:
        Names, without prefixes and in the order of the module, to contiguous arrays, which
        ``load_state_dict`` accepts.

    Raises:
        UserError: a leaf is missing, superfluous, or of another shape.
    """
    table = list(pairs(sizes))
    shapes = dict(_shapes(sizes))
    _insist(leaves, {ours: _ordered(shapes[theirs], order) for ours, theirs, order in table})
    return {theirs: _given(leaves[ours], order) for ours, theirs, order in table}


def _without_prefixes(state: Mapping[str, np.ndarray]) -> Leaves:
    plain: Leaves = {}
    for name, array in state.items():
        if LOSS.match(name):
            continue
        short = PREFIXES.sub("", name)
        if short in plain:
            raise UserError(f"weight {short} is there twice; expected one network; give one")
        plain[short] = np.asarray(array)
    return plain


def _shapes(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield fastMRI's name and shape of every weight."""
    for ours, theirs, order in pairs(sizes):
        if order is None:
            yield theirs, (1,)
        elif order == (0,):
            yield theirs, (2,)
        else:
            sens = ours.startswith("sens/")
            width = sizes.sens_width if sens else sizes.width
            levels = sizes.sens_levels if sens else sizes.levels
            yield theirs, _kernel_shape(ours, width, levels)


def _kernel_shape(path: str, width: int, levels: int) -> tuple[int, ...]:
    """Return the shape in torch of the kernel at a path of our network."""
    layer = path.split("/")[-2]
    if layer == "out":
        return 2, width, 1, 1
    kind, level, second = re.fullmatch(r"([a-z]+?)(\d*)(?:_(\d))?", layer).groups()  # type: ignore[union-attr]
    features = width * 2 ** (int(level) if level else levels)
    if kind == "up":
        return 2 * features, features, 2, 2
    if second == "1":
        return features, features, 3, 3
    given = {"down": features // 2 if level != "0" else 2, "bottom": features // 2}
    return features, given.get(kind, 2 * features), 3, 3


def _ordered(shape: tuple[int, ...], order: Order) -> tuple[int, ...]:
    return () if order is None else tuple(shape[axis] for axis in order)


def _insist(found: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise UserError unless names, shapes and types are those expected."""
    missing, superfluous = sorted(expected.keys() - found), sorted(found.keys() - expected)
    if missing or superfluous:
        name = (missing or superfluous)[0]
        raise UserError(
            f"{len(missing)} weights are missing and {len(superfluous)} are superfluous, such as "
            f"{name}; expected those of one fastmri.models.VarNet; give such a network"
        )
    for name, shape in expected.items():
        if found[name].shape != shape or found[name].dtype != np.float32:
            raise UserError(
                f"weight {name} is {found[name].dtype} of shape {found[name].shape}; expected "
                f"float32 of shape {shape}; give the weights of a fastmri.models.VarNet"
            )


def _taken(array: np.ndarray, order: Order) -> np.ndarray:
    moved = array.reshape(()) if order is None else array.transpose(order)
    return np.array(moved, order="C")


def _given(array: np.ndarray, order: Order) -> np.ndarray:
    moved = array.reshape(1) if order is None else array.transpose(np.argsort(order))
    return np.array(moved, order="C")
