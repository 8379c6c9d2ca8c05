"""What exports of all tasks with a U-Net share: sizes, layouts, the state in PyTorch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.tasks.exporting import SMALLEST, Arrays, Export, Input, Lengths, Torch


def export(
    network: str,
    inputs: Mapping[str, Input],
    arguments: Callable[[Any], dict[str, int]],
    state: Callable[[Any, Arrays, Arrays, Mapping[str, Any]], dict[str, np.ndarray]],
    **own: Any,
) -> Export:
    """Return what exports tell about the networks of a task with a U-Net.

    Args:
        network: name of its class in ``mrjax/sharing/export/networks/unet.py``.
        inputs: name -> the one input.
        arguments: settings -> arguments of that class.
        state: as in `Torch`.
        **own: the fields of `Export` that differ from task to task.
    """
    (image,) = inputs.values()
    return Export(
        inputs=inputs,
        kind="magnitude",
        lengths=lengths,
        advice=advice,
        settled=settled,
        torch=Torch(
            module="unet",
            name=network,
            stacked=network,
            arguments=arguments,
            state=state,
            inputs=torch_inputs,
            output=channels_first,
            stack=stack,
            parts=parts(image.text),
        ),
        **own,
    )


def lengths(config: Any) -> Lengths:
    """Return lengths in space that the network of a configuration takes."""
    return Lengths(config.multiple, config.multiple)


def advice(config: Any) -> str:
    """Return what to do with other lengths."""
    return (
        f"Spatial axes must be divisible by {config.multiple}: pad with zeros, half of them before "
        "and half behind, and cut the output."
    )


def small(config: Any, axes: int) -> Sequence[int]:
    """Return a small size, whose axes differ in length."""
    least = -(-SMALLEST // config.multiple)
    return [config.multiple * (least + axis) for axis in range(axes)]


def applied(predict: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the map (parameters, statistics, image) for arrays by name, of which there is one."""

    def apply(params: Any, stats: Any, inputs: Mapping[str, Any]) -> Any:
        (image,) = inputs.values()
        return predict(params, stats, image)

    return apply


def settled(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return running averages that are divided by their weight, with a weight of 1.

    In a run, XLA replaces the division, by one number for all channels, with a product with its
    reciprocal. In a program for several platforms or for any batch, which jax refines first, XLA
    finds the divisor shared and keeps one of the divisions, unless the product is written out.

    Args:
        weights: path -> array; `mean`, `var` and `weight` of a block are its averages.
    """
    found: dict[str, Any] = {}
    for path, weight in weights.items():
        owner, _, leaf = path.rpartition("/")
        if leaf == "weight":
            found |= {
                f"{owner}/{k}": weights[f"{owner}/{k}"] * (1 / weight) for k in ("mean", "var")
            }
            found[path] = np.ones(weight.shape, weight.dtype)
    return found


def channels_first(array: np.ndarray) -> np.ndarray:
    """Return (batch, channel, *space), contiguous, of (batch, *space, channel)."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))


def torch_inputs(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the image as the network in PyTorch takes it, float32."""
    return {name: channels_first(array).astype(np.float32) for name, array in arrays.items()}


def stack(arrays: Arrays) -> np.ndarray:
    """Return the image, which is the only input."""
    (image,) = arrays.values()
    return image


def parts(text: str) -> Callable[[int], list[str]]:
    """Return what says of each channel what it holds: `text`, with its number if there are more."""

    def named(channels: int) -> list[str]:
        return [text] if channels == 1 else [f"channel {i}: {text}" for i in range(channels)]

    return named


def state(config: Any, params: Arrays, stats: Arrays) -> dict[str, np.ndarray]:
    """Return the state_dict of ``networks.unet.UNet`` below the name ``network``.

    Args:
        config: settings, with `levels`.
        params: parameters by their paths in Linen.
        stats: running statistics, likewise; an average is divided by its weight.
    """
    leaves = {path: np.asarray(leaf, np.float32) for path, leaf in {**params, **stats}.items()}
    found: dict[str, np.ndarray] = {}
    for owner, place in _places(config.levels):
        read = _block if f"{owner}/norm/scale" in leaves else _convolution
        found |= {f"network.{place}.{name}": a for name, a in read(leaves, owner).items()}
    return found


def _places(levels: int) -> Iterator[tuple[str, str]]:
    """Yield the path in Linen and in PyTorch of each block and each convolution without one."""
    for level in range(levels):
        yield from _pair(f"down{level}", f"down.{level}")
    yield from _pair("bottom", "bottom")
    for level in range(levels):
        yield f"up{level}", f"up.{level}"
        yield from _pair(f"merge{level}", f"merge.{level}")
    yield "out", "out"


def _pair(owner: str, place: str) -> Iterator[tuple[str, str]]:
    return ((f"{owner}_{number}", f"{place}.{number}") for number in range(2))


def _block(leaves: Arrays, owner: str) -> dict[str, np.ndarray]:
    conv = _convolution(leaves, f"{owner}/conv")
    norm = {kind: leaves[f"{owner}/norm/{kind}"] for kind in ("scale", "bias", "mean", "var")}
    weight = leaves[f"{owner}/norm/weight"]
    return {
        **{f"conv.{name}": array for name, array in conv.items()},
        "norm.weight": norm["scale"],
        "norm.bias": norm["bias"],
        "norm.running_mean": norm["mean"] / weight,
        "norm.running_var": norm["var"] / weight,
        "norm.num_batches_tracked": np.zeros((), np.int64),
    }


def _convolution(leaves: Arrays, owner: str) -> dict[str, np.ndarray]:
    """Return kernel and bias in PyTorch's axes: out before in, in before out if transposed."""
    forward = leaves.get(f"{owner}/kernel")
    if forward is not None:
        weight = np.moveaxis(forward, (-1, -2), (0, 1))
    else:
        weight = np.moveaxis(leaves[f"{owner}/transposed_kernel"], (-2, -1), (0, 1))
    return {"weight": weight, "bias": leaves[f"{owner}/bias"]}
