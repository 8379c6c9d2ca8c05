"""A bioimage.io model: ``rdf.yaml`` of version 0.5, weights of PyTorch, test tensors.

Source: bioimage.io, "Model description file specification", version 0.5.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import yaml

from mrjax.sharing.export import about, example, plain
from mrjax.sharing.export.about import Asked
from mrjax.sharing.export.trained import Trained

FORMAT = "0.5.4"
TOLERANCE = 1e-5
"""Largest difference from the test output, as a share of its largest magnitude."""
_WEIGHTS = "weights.pt"
_USE = """```
pip install bioimageio.core
bioimageio test rdf.yaml
```

`network.py` needs torch alone."""


def files(found: Trained, asked: Asked) -> dict[str, bytes]:
    """Return the files of the folder.

    Args:
        found: the network.
        asked: what the user says about it.
    """
    made = plain.of(found)
    arrays = {**plain.inputs(found), "output": plain.output(found)}
    content = {
        _WEIGHTS: plain.saved(made.state),
        plain.NETWORK: made.source,
        "README.md": about.readme(found, asked, _USE),
        **{_test(name): example.npy(array) for name, array in arrays.items()},
    }
    described = _described(found, asked, made, arrays, content)
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    return {"rdf.yaml": text.encode(), **content}


def _test(name: str) -> str:
    return f"test_{name}.npy"


def _described(
    found: Trained,
    asked: Asked,
    made: plain.Plain,
    arrays: Mapping[str, np.ndarray],
    content: Mapping[str, bytes],
) -> dict[str, Any]:
    """Return the content of ``rdf.yaml``."""
    words = found.export
    *inputs, output = arrays
    architecture = {"callable": made.name, "kwargs": made.arguments}
    weights = {
        **_file(_WEIGHTS, content),
        "architecture": {**_file(plain.NETWORK, content), **architecture},
        "pytorch_version": torch.__version__.partition("+")[0],
    }
    tensors = {name: _tensor(name, words.texts[name], content) for name in arrays}
    for name in inputs:
        tensors[name]["axes"] = _axes(found, name, arrays[name].shape)
    tensors[output]["axes"] = _output_axes(found, inputs[0])
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": words.title,
        "description": words.description,
        "authors": [{"name": asked.author or about.NOT_STATED}],
        "cite": [{"text": one.text, "doi": one.doi} for one in words.sources],
        **({"license": asked.licence} if asked.licence else {}),
        "tags": ["mri", "pytorch", found.task],
        "version": about.VERSION,
        "documentation": "README.md",
        "inputs": [tensors[name] for name in inputs],
        "outputs": [tensors[output]],
        "weights": {"pytorch_state_dict": weights},
        "config": {
            "bioimageio": {"reproducibility_tolerance": [_tolerance(arrays[output])]},
            "mrjax": {"task": found.task, "params": found.digest, "intended_use": about.USE},
        },
    }


def _tolerance(expected: np.ndarray) -> dict[str, Any]:
    return {
        "relative_tolerance": TOLERANCE,
        "absolute_tolerance": float(TOLERANCE * np.abs(expected).max()),
        "mismatched_elements_per_million": 0,
    }


def _file(name: str, content: Mapping[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(content[name]).hexdigest()}


def _tensor(name: str, text: str, content: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "id": name,
        "description": text,
        "axes": [],
        "test_tensor": _file(_test(name), content),
        "data": {"type": "float32"},
    }


def _axes(found: Trained, name: str, shape: Sequence[int]) -> list[dict[str, Any]]:
    """Return the axes of an input."""
    _, space, like = found.export.inputs[name]
    axes: list[dict[str, Any]] = [{"type": "batch"}]
    if len(shape) > 1 + len(space):
        axes.append({"type": "channel", "channel_names": [f"{name}_{i}" for i in range(shape[1])]})
    least, step = found.lengths
    for axis in space:
        size: dict[str, Any] = {"min": least, "step": step}
        if like:
            size = {"tensor_id": like, "axis_id": axis}
        axes.append({"type": "space", "id": axis, "size": size})
    return axes


def _output_axes(found: Trained, like: str) -> list[dict[str, Any]]:
    parts = list(found.export.output.channels)
    space = [
        {"type": "space", "id": axis, "size": {"tensor_id": like, "axis_id": axis}}
        for axis in found.export.inputs[like].axes
    ]
    return [{"type": "batch"}, {"type": "channel", "channel_names": parts}, *space]
