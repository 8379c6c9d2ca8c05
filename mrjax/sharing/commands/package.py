"""``python -m experiments.network package RUN --output=DIR [--sign_key=FILE]``."""

import sys
from pathlib import Path

from absl import flags

from mrjax.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", None, "folder to write, empty or absent", flag_values=FLAGS)
flags.DEFINE_string(
    "license", "apache-2.0", "of the weights, as the Hugging Face Hub names it", flag_values=FLAGS
)
flags.DEFINE_string(
    "sign_key", None, "file of a private key, to sign the manifest (optional)", flag_values=FLAGS
)


def act(values: flags.FlagValues, run: str) -> int:
    """Make a package, and print its digest."""
    if not values.output:
        raise UserError("--output is not given; expected a folder to write; set it")
    from mrjax.sharing import package

    key = Path(values.sign_key) if values.sign_key else None
    made = package.write(Path(run), Path(values.output), values.license, key)
    sys.stdout.write(f"{made.folder}\ndigest {made.digest}\n")
    return 0
