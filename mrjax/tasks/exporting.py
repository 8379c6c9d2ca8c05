"""What a task tells about its trained networks, for programs that know nothing of mrjax.

The module ``export`` of a task holds one `Export` with the name ``EXPORT``. `mrjax.sharing.export`
writes the files from it, for each task in the same way. A task may lack the module; its networks
are then not exported.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrjax.errors import UserError
from mrjax.tasks import registry

Arrays = Mapping[str, np.ndarray]
SMALLEST = 24
"""Least length of an axis in space of a test input [voxels]."""


class Source(NamedTuple):
    """A publication."""

    text: str
    doi: str


class Input(NamedTuple):
    """An input of a network in PyTorch: (batch, channel, *space), or (batch, *space).

    Attributes:
        text: what it holds, with its unit; at most 128 letters.
        axes: a letter for each axis in space, in their order in the array.
        like: name of the input whose axes in space are as long; "": any lengths.
    """

    text: str
    axes: str
    like: str = ""


class Output(NamedTuple):
    """The output of a network in PyTorch, (batch, channel, *space), with the space of its input.

    Attributes:
        text: what it holds, with its unit; at most 128 letters.
        channels: a name for each channel.
        values: the least and the largest value; empty where there are no such bounds.
    """

    text: str
    channels: Sequence[str] = ("output",)
    values: Sequence[float] = ()


class Lengths(NamedTuple):
    """Lengths of axes in space that a network takes: from `least` on, divisible by `multiple`."""

    least: int
    multiple: int


class OneSize(NamedTuple):
    """A network that a program in JAX computes for one size only.

    Attributes:
        why: the reason as a clause.
        of: settings of the training -> its size as `Export.size` names it; empty where the settings
            do not tell.
    """

    why: str
    of: Callable[[Any], tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Torch:
    """A task's network in plain PyTorch, channels first.

    Attributes:
        module: name of its module in ``mrjax/sharing/export/networks``.
        name: name of its class there.
        stacked: name of the class with the same parameters and a single input.
        arguments: settings -> arguments of either class.
        state: (settings, parameters, statistics, constants of the network) -> the state_dict, in
            float32; leaves by their paths in Linen.
        inputs: arrays of the task -> inputs of the network in the order of its arguments, float32.
        output: output in JAX -> output in PyTorch.
        stack: inputs of the network -> the single input.
        parts: number of channels of the single input -> what each holds.
    """

    module: str
    name: str
    stacked: str
    arguments: Callable[[Any], dict[str, int]]
    state: Callable[[Any, Arrays, Arrays, Mapping[str, Any]], dict[str, np.ndarray]]
    inputs: Callable[[Arrays], dict[str, np.ndarray]]
    output: Callable[[np.ndarray], np.ndarray]
    stack: Callable[[Arrays], np.ndarray]
    parts: Callable[[int], list[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """A task, as pages and files of exported networks describe it.

    Attributes:
        title: at most 60 letters.
        description: one or two sentences.
        sources: publications of the method.
        inputs: name -> input, in the order of the arguments of the network in PyTorch.
        output: the output.
        kind: kind of image that the input is, ``magnitude`` or ``kspace``, in MONAI's words.
        size: names of the lengths of an input that a user may fix: axes 1, 2 and so on of the
            first array of the task, those in space last.
        lengths: settings -> lengths in space that the network takes.
        advice: settings -> the same as a sentence that says what to do with other lengths.
        one_size: why a program in JAX has a fixed size; None: it takes any batch and size.
        draw: (random numbers, settings, constants of the network, size) -> a test input, as the
            task gives it to its network in JAX; of an empty size, a small one whose axes differ in
            length.
        predictor: (model of the task, constants of the network) -> the map (parameters,
            statistics, arrays of the task) -> output.
        settled: weights by path -> those that a program in native arithmetic must change as it
            begins, in order to round as the run does; by default none.
        torch: the network in PyTorch.
    """

    title: str
    description: str
    sources: Sequence[Source]
    inputs: Mapping[str, Input]
    output: Output
    kind: str
    size: Sequence[str]
    lengths: Callable[[Any], Lengths]
    advice: Callable[[Any], str]
    one_size: OneSize | None = None
    draw: Callable[[np.random.Generator, Any, Mapping[str, Any], Sequence[int]], Arrays]
    predictor: Callable[[Any, Mapping[str, Any]], Callable[[Any, Any, Any], Any]]
    settled: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda weights: {}
    torch: Torch

    @property
    def axes(self) -> int:
        """Number of axes in space."""
        return len(next(iter(self.inputs.values())).axes)

    @property
    def texts(self) -> dict[str, str]:
        """Name of an input, or `output` -> what it holds."""
        return {**{name: one.text for name, one in self.inputs.items()}, "output": self.output.text}


def of(task: str) -> Export:
    """Return what a task tells about its networks.

    Args:
        task: key of `mrjax.tasks.registry.TASKS`.

    Raises:
        UserError: the task has no module ``export``.
    """
    try:
        return registry.module(task, "export").EXPORT
    except ModuleNotFoundError as error:
        if error.name != f"mrjax.tasks.{task}.export":
            raise
        raise UserError(
            f"a network of {task} cannot be exported, because mrjax/tasks/{task}/export.py is "
            "missing; expected a task that has this module; name another run folder"
        ) from error
