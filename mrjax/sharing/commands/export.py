"""``python -m experiments.network export DIR --format=NAME --output=PATH``."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

from absl import flags

from mrjax.errors import UserError

FORMATS = {
    "stablehlo": "a StableHLO program of jax.export, and a script that needs jax alone",
    "state_dict": "a state_dict of PyTorch, and the module that defines its network",
    "monai": "a MONAI Bundle",
    "bioimageio": "a bioimage.io model",
}
FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "format", None, "; ".join(f"{k}: {v}" for k, v in FORMATS.items()), flag_values=FLAGS
)
flags.DEFINE_string("output", None, "folder to write, new or empty", flag_values=FLAGS)
flags.DEFINE_string(
    "size",
    "",
    "stablehlo: lengths of the input's axes, such as 160,160,160, for which the bits are those of "
    "the run; (coils,)rows,columns; unset: any, or for varnet and e2e those of the training",
    flag_values=FLAGS,
)
flags.DEFINE_string("author", "", "who trained the network, for its pages", flag_values=FLAGS)
flags.DEFINE_string(
    "licence", "", "licence of the weights, by its SPDX identifier", flag_values=FLAGS
)


def act(values: flags.FlagValues, folder: str) -> int:
    """Export a network, and say where it is."""
    if values.format not in FORMATS:
        raise UserError(f"--format={values.format}; expected one of {', '.join(FORMATS)}; name one")
    if not values.output:
        raise UserError("--output is not given; expected a folder to write; set it")
    size = _size(values)
    from mrjax.sharing.export import folder as folders

    output = Path(values.output)
    folders.check(output)
    _prepare(str(values.format), Path(folder))
    from mrjax import backend
    from mrjax.sharing.export import trained
    from mrjax.sharing.export.about import Asked

    module = importlib.import_module(f"mrjax.sharing.export.{values.format}")
    asked = Asked(size, values.author, values.licence)
    found = trained.read(Path(folder))
    with backend.told(found.config):
        folders.write(output, module.files(found, asked))
    sys.stdout.write(f"{output}: {FORMATS[values.format]}\n")
    return 0


def _size(values: flags.FlagValues) -> tuple[int, ...]:
    """Return the lengths that --size names."""
    parts = [part for part in values.size.split(",") if values.size]
    if parts and values.format != "stablehlo":
        raise UserError(
            f"--size has no effect on --format={values.format}, whose networks take any size; "
            "expected stablehlo; drop it"
        )
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise UserError(
            f"--size={values.size}; expected whole numbers above 0, separated by commas; correct it"
        )
    return tuple(int(part) for part in parts)


def _prepare(name: str, folder: Path) -> None:
    """Ask for what a format needs; give XLA the flags of the run before JAX is used."""
    if name != "stablehlo":
        from mrjax.pytorch import startup

        startup.require_torch()
        return
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError(
            "flatbuffers is not installed; expected it for --format=stablehlo; "
            'pip install "mrjax[share]"'
        )
    from mrjax.backend import flagtext, levels
    from mrjax.sharing.export import stablehlo, trained

    _, config = trained.settings(folder)
    own = os.environ.get("XLA_FLAGS", "")
    flagtext.merge(own, levels.xla_flags(config))  # refuses what contradicts the run
    text = flagtext.appended(own, stablehlo.flags(config))
    if own:
        flagtext.probe(text, os.environ)
    os.environ["XLA_FLAGS"] = text
