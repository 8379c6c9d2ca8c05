"""What exports tell about trained variational networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.tasks.exporting import (
    SMALLEST,
    Arrays,
    Export,
    Input,
    Lengths,
    OneSize,
    Output,
    Source,
    Torch,
)
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.model import Model

COILS = 3
"""Of a test input."""


def lengths(config: Config) -> Lengths:
    """Return lengths in space that the network takes."""
    return Lengths(config.window, 1)


def advice(config: Config) -> str:
    """Return the same as a sentence."""
    least = lengths(config).least
    return f"Rows and columns have at least {least} points; there may be any number of coils."


def size_of_training(config: Any) -> tuple[int, ...]:
    """Return coils, rows and columns of the training; empty where they are those of files."""
    return (config.coils, config.rows, config.columns) if config.dataset == "synthetic" else ()


def draw(
    rng: np.random.Generator, config: Config, constants: Mapping[str, Any], size: Sequence[int]
) -> Arrays:
    """Draw a k-space in which two of three columns are missing, and coil sensitivity maps.

    The sum over all coils of the squared magnitudes of the maps is 1.

    Returns:
        `kspace` and `maps` (1, coil, row, column), complex64; `mask` (1, column), float32.
    """
    edge = max(SMALLEST, 2 * config.window)
    shape = (1, *(size or (COILS, edge, edge + 4)))
    mask = (np.arange(shape[-1]) % 3 == 0).astype(np.float32)[None]
    kspace, maps = complex_uniform(rng, shape), complex_uniform(rng, shape)
    maps /= np.sqrt((np.abs(maps) ** 2).sum(axis=1, keepdims=True))
    return {
        "kspace": (kspace * mask[:, None, None, :]).astype(np.complex64),
        "maps": maps.astype(np.complex64),
        "mask": mask,
    }


def complex_uniform(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Draw complex numbers whose real and imaginary parts are uniform from -1 to 1."""
    return rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape)


def predictor(built: Model, constants: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the map (parameters, no statistics, arrays) -> images in the unit of k-space."""
    predict = built.predictor()
    return lambda params, stats, inputs: predict(params, inputs)


def arguments(config: Config) -> dict[str, int]:
    """Return the arguments of the network in PyTorch."""
    return {
        "stages": config.stages,
        "filters": config.width,
        "nodes": config.nodes,
        "window": config.window,
    }


def state(
    config: Config, params: Arrays, stats: Arrays, constants: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the state_dict of the network in PyTorch, with the shapes of the public code."""
    found = {}
    for stage in range(config.stages):
        ours, theirs = f"stage{stage}/", f"cell_list.{stage}."
        kernel = np.moveaxis(np.asarray(params[f"{ours}kernel"], np.float32), -1, 0)
        found[f"{theirs}conv_kernel"] = kernel[:, None]
        found[f"{theirs}lamb"] = np.asarray(params[f"{ours}data_weight"], np.float32)
        nodes = np.asarray(params[f"{ours}rbf"], np.float32)
        found[f"{theirs}activation.w"] = nodes[None, :, None, None, :]
    return found


def real(array: np.ndarray) -> np.ndarray:
    """Return (batch, 2 n, row, column), float32, of complex (batch, n, row, column)."""
    both = np.stack([np.real(array), np.imag(array)], axis=2)
    return both.reshape(array.shape[0], -1, *array.shape[2:]).astype(np.float32)


def inputs(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the inputs of the network in PyTorch."""
    first = {name: real(np.asarray(arrays[name])) for name in ("kspace", "maps")}
    return {**first, "mask": np.asarray(arrays["mask"], np.float32)}


def output(image: np.ndarray) -> np.ndarray:
    """Return an image (batch, row, column), complex, as the network in PyTorch gives it."""
    return real(image[:, None])


def stack(arrays: Arrays) -> np.ndarray:
    """Return the inputs of the network as the single input of ``StackedVarNet``."""
    kspace, mask = arrays["kspace"], arrays["mask"]
    plane = np.broadcast_to(mask[:, None, None, :], (kspace.shape[0], 1, *kspace.shape[2:]))
    return np.concatenate([kspace, arrays["maps"], plane], axis=1)


def parts(channels: int) -> list[str]:
    """Return what each channel of the single input holds."""
    coils = range((channels - 1) // 4)
    of_coils = [
        f"{what} of coil {coil}, {part} part"
        for what in ("k-space", "sensitivity map")
        for coil in coils
        for part in ("real", "imaginary")
    ]
    return [*of_coils, "1 in acquired columns, 0 elsewhere, the same in every row"]


EXPORT = Export(
    title="Parallel imaging with the variational network",
    description="An unrolled network from the acquired columns of a slice's k-space and the "
    "sensitivity maps of the coils to the complex image. Scaling is part of the network.",
    sources=(
        Source(
            "Hammernik et al., Learning a variational network for reconstruction of accelerated "
            "MRI data, Magn Reson Med 79:3055 (2018)",
            "10.1002/mrm.26977",
        ),
    ),
    inputs={
        "kspace": Input(
            "k-space, real and imaginary part of each coil in turn, zero frequency at n // 2, zero "
            "where not acquired",
            "yx",
        ),
        "maps": Input(
            "coil sensitivity maps, real and imaginary part of each coil in turn", "yx", "kspace"
        ),
        "mask": Input("1 for acquired columns, 0 elsewhere", "x", "kspace"),
    },
    output=Output("image in the unit of k-space: real part, imaginary part", ("real", "imaginary")),
    kind="kspace",
    size=("COILS", "ROWS", "COLUMNS"),
    lengths=lengths,
    advice=advice,
    one_size=OneSize(
        "a variational network is exported for one size, since Fourier transforms on a GPU have a "
        "fixed length",
        size_of_training,
    ),
    draw=draw,
    predictor=predictor,
    torch=Torch(
        module="varnet",
        name="VarNet",
        stacked="StackedVarNet",
        arguments=arguments,
        state=state,
        inputs=inputs,
        output=output,
        stack=stack,
        parts=parts,
    ),
)
