"""What exports tell about trained end-to-end variational networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.nets import fastmri_names
from mrjax.tasks.e2e.config import SMALLEST, Config
from mrjax.tasks.e2e.inputs import ARCHITECTURE
from mrjax.tasks.e2e.model import Model
from mrjax.tasks.exporting import Arrays, Export, Input, Lengths, OneSize, Output, Source, Torch
from mrjax.tasks.varnet.export import complex_uniform, real, size_of_training

COILS, LINES = 3, 5
"""Of a test input."""


def lengths(config: Config) -> Lengths:
    """Return lengths in space that the network takes."""
    return Lengths(2 * SMALLEST, 1)


def advice(config: Config) -> str:
    """Return the same as a sentence."""
    least = lengths(config).least
    return f"Rows and columns have at least {least} points; there may be any number of coils."


def draw(
    rng: np.random.Generator, config: Config, constants: Mapping[str, Any], size: Sequence[int]
) -> Arrays:
    """Draw a k-space in which two of three columns are missing outside the calibration lines.

    Returns:
        `kspace` (1, coil, row, column), complex64; `mask` (1, column), float32; `lines`
        (1,), int32.
    """
    edge = 2 * SMALLEST
    shape = (1, *(size or (COILS, edge, edge + 4)))
    columns = np.arange(shape[-1])
    first = (shape[-1] - LINES + 1) // 2
    centre = (columns >= first) & (columns < first + LINES)
    mask = ((columns % 3 == 0) | centre).astype(np.float32)[None]
    kspace = complex_uniform(rng, shape) * mask[:, None, None, :]
    lines = np.full(1, LINES, np.int32)
    return {"kspace": kspace.astype(np.complex64), "mask": mask, "lines": lines}


def predictor(built: Model, constants: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the map (parameters, no statistics, arrays) -> magnitudes in the unit of k-space."""
    predict = built.predictor()
    return lambda params, stats, inputs: predict(params, inputs)


def arguments(config: Config) -> dict[str, int]:
    """Return the arguments of the network in PyTorch."""
    return {name: getattr(config, name) for name in ARCHITECTURE}


def state(
    config: Config, params: Arrays, stats: Arrays, constants: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the state_dict of the network in PyTorch, with the names of the package fastmri."""
    leaves = {name: np.asarray(leaf, np.float32) for name, leaf in params.items()}
    return fastmri_names.exported(fastmri_names.Sizes(**arguments(config)), leaves)


def inputs(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the inputs of the network in PyTorch."""
    mask, lines = (np.asarray(arrays[name], np.float32) for name in ("mask", "lines"))
    return {"kspace": real(np.asarray(arrays["kspace"])), "mask": mask, "lines": lines[:, None]}


def output(image: np.ndarray) -> np.ndarray:
    """Return magnitudes (batch, row, column) as the network in PyTorch gives them."""
    return np.asarray(image, np.float32)[:, None]


def stack(arrays: Arrays) -> np.ndarray:
    """Return the inputs of the network as the single input of ``StackedE2EVarNet``."""
    kspace, mask, lines = arrays["kspace"], arrays["mask"], arrays["lines"]
    plane = (kspace.shape[0], 1, *kspace.shape[2:])
    last = [np.broadcast_to(x[:, None, None, :], plane) for x in (mask, lines)]
    return np.concatenate([kspace, *last], axis=1)


def parts(channels: int) -> list[str]:
    """Return what each channel of the single input holds."""
    pairs = ((coil, part) for coil in range(channels // 2 - 1) for part in ("real", "imaginary"))
    return [
        *(f"k-space of coil {coil}, {part} part" for coil, part in pairs),
        "1 in acquired columns, 0 elsewhere, the same in every row",
        "number of calibration lines, 0 to count them, the same everywhere",
    ]


EXPORT = Export(
    title="Parallel imaging with the end-to-end variational network",
    description="An unrolled network from the acquired columns of a slice's k-space to the "
    "magnitude of its image; it estimates the sensitivity maps of the coils itself.",
    sources=(
        Source(
            "Sriram et al., End-to-end variational networks for accelerated MRI reconstruction, "
            "MICCAI 2020",
            "10.1007/978-3-030-59713-9_7",
        ),
    ),
    inputs={
        "kspace": Input(
            "k-space, real and imaginary part of each coil in turn, zero frequency at n // 2, zero "
            "where not acquired",
            "yx",
        ),
        "mask": Input("1 for acquired columns, 0 elsewhere", "x", "kspace"),
        "lines": Input("number of central columns that estimate sensitivities; 0: counted", ""),
    },
    output=Output("magnitude in the unit of the coil images", ("magnitude",)),
    kind="kspace",
    size=("COILS", "ROWS", "COLUMNS"),
    lengths=lengths,
    advice=advice,
    one_size=OneSize(
        "an end-to-end variational network is exported for one size, since Fourier transforms on a "
        "GPU have a fixed length",
        size_of_training,
    ),
    draw=draw,
    predictor=predictor,
    torch=Torch(
        module="e2e",
        name="E2EVarNet",
        stacked="StackedE2EVarNet",
        arguments=arguments,
        state=state,
        inputs=inputs,
        output=output,
        stack=stack,
        parts=parts,
    ),
)
