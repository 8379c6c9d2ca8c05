"""A MONAI Bundle: metadata, weights, network, and a configuration that applies it.

MONAI checks a network with one tensor called ``image``; a variational network therefore takes
k-space, maps and mask as channels of one tensor.

Source: docs.monai.io, "MONAI Bundle Specification".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import mrjax
from mrjax.sharing.export import about, example, plain
from mrjax.sharing.export.about import Asked
from mrjax.sharing.export.trained import Trained
from mrjax.tasks.exporting import Lengths

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
MONAI = "1.6.1"
"""Version of MONAI with which bundles are tested."""
TEST = "docs/test_input.npy", "docs/test_output.npy"
_LICENCE = """The files under scripts/ and configs/ are part of mrjax, Copyright 2026 The mrjax
developers, licensed under the Apache License, Version 2.0, http://www.apache.org/licenses/LICENSE-2.0.

Licence of the weights in models/: {weights}.
"""
_USE = """In this folder, with MONAI installed:

```
PYTHONPATH=. python -m monai.bundle run --config_file configs/inference.json \\
  --input docs/test_input.npy --output output.npy
```

`input` is an array (batch, channel, *space), float32; `docs/test_output.npy` is what the command
must write for `docs/test_input.npy`, to 1e-5 of its largest magnitude."""


def files(found: Trained, asked: Asked) -> dict[str, bytes]:
    """Return the files of the folder.

    Args:
        found: the network.
        asked: what the user says about it.
    """
    made = plain.of(found)
    image = found.export.torch.stack(plain.inputs(found))
    arrays = zip(TEST, (image, plain.output(found)), strict=True)
    return {
        "LICENSE": _LICENCE.format(weights=asked.licence or about.NOT_STATED).encode(),
        "configs/metadata.json": about.as_json(metadata(found, asked, image)),
        "configs/inference.json": about.as_json(_inference(made)),
        "models/model.pt": plain.saved(made.state),
        "scripts/__init__.py": b"",
        "scripts/network.py": made.source,
        "docs/README.md": about.readme(found, asked, _USE),
        **{name: example.npy(array) for name, array in arrays},
    }


def metadata(found: Trained, asked: Asked, image: np.ndarray) -> dict[str, Any]:
    """Return the content of ``configs/metadata.json``.

    Args:
        found: the network.
        asked: what the user says about it.
        image: the test input (batch, channel, *space).
    """
    words = found.export
    author = asked.author or about.NOT_STATED
    return {
        "schema": SCHEMA,
        "version": about.VERSION,
        "changelog": {about.VERSION: f"exported by mrjax {mrjax.__version__}"},
        "monai_version": MONAI,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {},
        "optional_packages_version": {},
        "name": words.title,
        "task": words.title,
        "description": words.description,
        "authors": author,
        "copyright": f"Copyright (c) {author}",
        "license": asked.licence or about.NOT_STATED,
        "data_source": f"data set {found.config.dataset} of mrjax",
        "intended_use": about.USE,
        "references": [f"{one.text}, doi {one.doi}" for one in words.sources],
        "network_data_format": _tensors(found, image.shape[1]),
    }


def _tensors(found: Trained, channels: int) -> dict[str, Any]:
    words, output = found.export, found.export.output
    shape = [_length(found.lengths)] * words.axes
    several = len(output.channels) > 1
    parts = [f"{name} part" for name in output.channels] if several else [output.text]
    given = _tensor(words.kind, shape, words.torch.parts(channels), [])
    return {
        "inputs": {"image": given},
        "outputs": {"pred": _tensor("magnitude", shape, parts, list(output.values))},
    }


def _length(lengths: Lengths) -> str:
    """Return lengths in space as MONAI writes them, with a whole number n from 1."""
    step = "n" if lengths.multiple == 1 else f"{lengths.multiple} * n"
    before = lengths.least - lengths.multiple
    return f"{before} + {step}" if before else step


def _tensor(kind: str, shape: Sequence[str], parts: Sequence[str], values: list) -> dict[str, Any]:
    return {
        "type": "image",
        "format": kind,
        "modality": "MR",
        "num_channels": len(parts),
        "spatial_shape": list(shape),
        "dtype": "float32",
        "value_range": values,
        "is_patch_data": False,
        "channel_def": {str(i): text for i, text in enumerate(parts)},
    }


def _inference(made: plain.Plain) -> dict[str, Any]:
    """Return a configuration that applies the network to the array ``input``."""
    return {
        "imports": ["$import numpy", "$import torch"],
        "bundle_root": ".",
        "checkpoint": "$@bundle_root + '/models/model.pt'",
        "input": f"$@bundle_root + '/{TEST[0]}'",
        "output": "output.npy",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": {"_target_": f"scripts.network.{made.stacked}", **made.arguments},
        "network": "$@network_def.to(@device)",
        "run": [
            "$@network.load_state_dict(torch.load(@checkpoint, map_location=@device, "
            "weights_only=True))",
            "$@network.eval()",
            "$numpy.save(@output, torch.no_grad()(@network.forward)(torch.from_numpy(numpy.load("
            "@input)).to(@device)).cpu().numpy())",
        ],
    }
