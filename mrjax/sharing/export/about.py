"""What every format says about a network in words: its task, its tensors, its sources."""

import json
from collections.abc import Mapping
from typing import NamedTuple

import mrjax
from mrjax.sharing.export.trained import Trained
from mrjax.tasks import registry

VERSION = "0.1.0"
"""Version of an exported network; whoever publishes a later one raises it."""
USE = "Research only; not for diagnosis."
NOT_STATED = "not stated"


class Asked(NamedTuple):
    """What the user says about an export.

    Attributes:
        size: lengths of the axes of an input; empty: any.
        author: whoever trained the network; empty: not stated.
        licence: SPDX identifier of the licence of the weights; empty: not stated.
    """

    size: tuple[int, ...] = ()
    author: str = ""
    licence: str = ""


class Source(NamedTuple):
    """A publication."""

    text: str
    doi: str


class Words(NamedTuple):
    """A task in words.

    Attributes:
        title: at most 60 letters.
        description: one or two sentences.
        tensors: name of an input or of `output` -> what it holds, with its unit; 128 letters.
        sources: publications of the method.
    """

    title: str
    description: str
    tensors: Mapping[str, str]
    sources: tuple[Source, ...]


WORDS: Mapping[str, Words] = {
    "qsm": Words(
        "Quantitative susceptibility mapping with QSMnet",
        "A 3-D U-Net from the local field of a brain to its magnetic susceptibility, both in ppm. "
        "Normalisation by the training subjects is part of the network.",
        {
            "field": "local field [ppm], zero outside the brain, in the axes of the training data",
            "output": "magnetic susceptibility [ppm]; set it to zero outside the brain",
        },
        (
            Source(
                "Yoon et al., Quantitative susceptibility mapping using deep neural network: "
                "QSMnet, NeuroImage 179 (2018)",
                "10.1016/j.neuroimage.2018.06.030",
            ),
        ),
    ),
    "breast": Words(
        "Breast masks with a U-Net",
        "A 2-D U-Net from an axial slice of a contrast-enhanced breast series to the probability "
        "that a pixel shows breast tissue.",
        {
            "image": "three channels of a slice, scaled as mrjax/data/breast_slices.py does",
            "output": "probability of breast tissue, from 0 to 1",
        },
        (
            Source(
                "Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image "
                "segmentation, MICCAI 2015",
                "10.1007/978-3-319-24574-4_28",
            ),
        ),
    ),
    "varnet": Words(
        "Parallel imaging with the variational network",
        "An unrolled network from the acquired columns of a slice's k-space and the sensitivity "
        "maps of the coils to the complex image. Scaling is part of the network.",
        {
            "kspace": "k-space, real and imaginary part of each coil in turn, zero frequency at "
            "n // 2, zero where not acquired",
            "maps": "coil sensitivity maps, real and imaginary part of each coil in turn",
            "mask": "1 for acquired columns, 0 elsewhere",
            "output": "image in the unit of k-space: real part, imaginary part",
        },
        (
            Source(
                "Hammernik et al., Learning a variational network for reconstruction of "
                "accelerated MRI data, Magn Reson Med 79:3055 (2018)",
                "10.1002/mrm.26977",
            ),
        ),
    ),
}
"""Task -> its words."""


def readme(found: Trained, asked: Asked, use: str) -> bytes:
    """Return the page of an export, as Markdown.

    Args:
        found: the network.
        asked: what the user says about it.
        use: how this format is used, as Markdown.
    """
    words = WORDS[found.task]
    tensors = "\n".join(f"- `{name}`: {text}" for name, text in words.tensors.items())
    sources = "\n".join(f"- {one.text}, doi {one.doi}" for one in words.sources)
    text = f"""# {words.title}

{words.description}

{tensors}

{_sizes(found)}

## Use

{use}

## Validation

The test input was made from random numbers, not from a person. The test output was computed by
mrjax {mrjax.__version__} in JAX. The network was judged on held-out subjects of its training data
set ({found.config.dataset}); the run that trained it has the numbers.

## Origin

- task `{found.task}` of mrjax, {registry.TASKS[found.task].title}
- digest of the parameters: {found.digest or NOT_STATED}
- digest of the package: {found.package or "none; exported from a run folder"}
- trained by: {asked.author or NOT_STATED}
- licence of the weights: {asked.licence or NOT_STATED}; the code in this folder is Apache-2.0
- {USE}

{sources}
"""
    return text.encode()


def _sizes(found: Trained) -> str:
    if found.task == "varnet":
        least = found.config.window
        return f"Rows and columns have at least {least} points; there may be any number of coils."
    return (
        f"Spatial axes must be divisible by {found.multiple}: pad with zeros, half of them before "
        "and half behind, and cut the output."
    )


def as_json(content: object) -> bytes:
    """Return indented JSON."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()
