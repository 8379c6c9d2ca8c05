# Copyright 2026 The mrjax developers. SPDX-License-Identifier: Apache-2.0
"""Apply the trained network in this folder. Needs jax, numpy and flatbuffers, nothing of mrjax.

python run.py                       compare with test_output.npy, bit for bit
python run.py INPUT.npz OUTPUT.npy  apply it to arrays of the names and types in network.json
"""

import json
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def apply(inputs):
    """Return the network's output.

    Args:
        inputs: name -> array, as network.json describes them.
    """
    about = json.loads((FOLDER / "network.json").read_text())
    # XLA reads its flags when JAX is first used, so they are set before.
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *about["xla_flags"]])
    os.environ["JAX_ENABLE_X64"] = "1"
    import numpy as np
    from jax import export

    program = export.deserialize(bytearray((FOLDER / "network.stablehlo").read_bytes()))
    with np.load(FOLDER / "weights.npz", allow_pickle=False) as weights:
        return np.asarray(
            program.call(dict(weights), {name: inputs[name] for name in about["inputs"]})
        )


def main(words):
    """Compare the test output, or apply the network to a file; return the exit code."""
    import numpy as np

    if len(words) not in (0, 2):
        sys.stderr.write(__doc__ or "")
        return 2
    source, output = words or (FOLDER / "test_input.npz", None)
    with np.load(source, allow_pickle=False) as inputs:
        found = apply(dict(inputs))
    if output:
        np.save(output, found)
        return 0
    expected = np.load(FOLDER / "test_output.npy")
    equal = found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    largest = np.abs(found - expected).max()
    sys.stdout.write("equal bits\n" if equal else f"differs by at most {largest}\n")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
