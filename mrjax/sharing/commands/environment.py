"""``python -m experiments.network environment DIR --output=requirements.txt``."""

import sys
from pathlib import Path

from absl import flags

from mrjax.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", "", "Requirements file to write", flag_values=FLAGS)
flags.DEFINE_bool(
    "hashes", False, "Add sha256 of the files that pip would install here", flag_values=FLAGS
)


def act(values: flags.FlagValues, folder: str) -> int:
    """Write the software of a package as a requirements file, and say how to install it."""
    if not values.output:
        raise UserError("--output is not given; expected a file such as requirements.txt; set it")
    output = Path(str(values.output))
    from mrjax.runs import atomic
    from mrjax.sharing import outputs, package
    from mrjax.sharing.verify import requirements

    outputs.check_new("output", output)
    found = package.read(Path(folder))
    pinned = requirements.pins(found.environment)
    hashes = requirements.hashes(pinned) if values.hashes else {}
    written = requirements.text(found.environment, found.digest, hashes)
    with outputs.refusals("output", output):
        atomic.write_text(output, written)
    sys.stdout.write("".join(f"{line[2:]}\n" for line in written.splitlines() if line[0] == "#"))
    sys.stdout.write(f"{len(pinned)} packages: {output}\n")
    return 0
