"""A StableHLO program of jax.export for CPU and CUDA, its weights, and a script that runs it.

The program computes in the arithmetic of the training. Its weights are arguments: as constants, the
compiler could compute with them in advance, by other roundings.
"""

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.traverse_util as traverse
import jax
import numpy as np
from jax import export

from mrjax.backend.levels import xla_flags
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.sharing.export import about, example
from mrjax.sharing.export.about import Asked
from mrjax.sharing.export.trained import Trained
from mrjax.tasks.build import arithmetic_of, master_dtype

PLATFORMS = ("cpu", "cuda")
_SCRIPT = Path(__file__).parent / "scripts" / "run.py"
_KEPT = ("xla_cpu_max_isa", "xla_gpu_deterministic_ops", "xla_gpu_exclude_nondeterministic_ops")
"""XLA flags of a run that change bits, and that name no file."""
_USE = """```
pip install "jax=={jax}" flatbuffers
python run.py                       # compare with test_output.npy, bit for bit
python run.py INPUT.npz OUTPUT.npy
```

INPUT.npz holds the arrays that `network.json` describes. The program runs on a CPU and on an NVIDIA
GPU (`JAX_PLATFORMS=cpu` or `cuda`). Arithmetic of the training: {arithmetic}. {bits}"""
_BITS = {
    True: "Its sums do not depend on the order of additions, so the output has the same bits on "
    "any machine.",
    False: "The output has the bits of the run on the processor and with the jax that made "
    "test_output.npy; elsewhere it may differ by rounding.",
}


def flags(config: RunConfig) -> dict[str, str]:
    """Return the XLA flags that the program needs for the bits of the run, by name."""
    return {name: value for name, value in xla_flags(config).items() if name in _KEPT}


def files(found: Trained, asked: Asked) -> dict[str, bytes]:
    """Return the files of the folder.

    Args:
        found: the network.
        asked: what the user says about it; without a size, the program takes any size if it can.

    Raises:
        UserError: the size does not suit the network, or is needed and cannot be known.
    """
    size = asked.size or _own_size(found)
    if size and tuple(size) != _shape(found):
        found = _of_size(found, size)
    config, program = _program(found, any_size=not size)
    use = _USE.format(
        jax=jax.__version__,
        arithmetic=found.config.numerics,
        bits=_BITS[found.config.numerics == "reproducible"],
    )
    return {
        "network.stablehlo": bytes(program.serialize()),
        "weights.npz": npz(_weights(found)),
        "network.json": about.as_json(_described(found, program)),
        "test_input.npz": npz(found.inputs),
        "test_output.npy": example.npy(found.output(config)),
        "run.py": _SCRIPT.read_bytes(),
        "README.md": about.readme(found, asked, use),
    }


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of arrays in numpy's format for several; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{k: np.asarray(v) for k, v in arrays.items()})
    return buffer.getvalue()


def _weights(found: Trained) -> dict[str, np.ndarray]:
    params, stats = found.weights
    kinds = {"params": params, "batch_stats": stats or {}}
    dtype = master_dtype(found.config)
    return {
        f"{kind}/{name}": np.asarray(leaf, dtype)
        for kind, leaves in kinds.items()
        for name, leaf in sorted(leaves.items())
    }


def _own_size(found: Trained) -> tuple[int, ...]:
    """Return the size of an input of the training, where the program cannot take any size."""
    one = found.export.one_size
    if one is None:
        return ()
    size = _shape(found) if found.package else one.of(found.config)
    if not size:
        wanted = ",".join(found.export.size)
        raise UserError(f"{one.why}; expected --size={wanted}; give that of your data")
    return size


def _shape(found: Trained) -> tuple[int, ...]:
    """Return the size of the test input, as --size has it."""
    return np.shape(next(iter(found.inputs.values())))[1 : 1 + len(found.export.size)]


def _of_size(found: Trained, size: Sequence[int]) -> Trained:
    """Return the network with a test input of a size."""
    known, (least, multiple) = len(found.export.size), found.lengths
    space = size[-found.export.axes :]
    if len(size) != known or any(n % multiple or n < least for n in space):
        raise UserError(
            f"--size={','.join(map(str, size))} does not suit this network; expected {known} "
            f"lengths, those in space divisible by {multiple} and at least {least}; correct it"
        )
    try:
        inputs = example.draw(found.task, found.config, found.constants, size)
    except (MemoryError, ValueError, OverflowError) as error:  # numpy has all three for it
        raise UserError(
            f"--size={','.join(map(str, size))} does not fit into memory ({error}); expected a "
            "size whose test input and output do; lower it, or drop --size"
        ) from error
    return dataclasses.replace(found, inputs=inputs)


def _program(found: Trained, any_size: bool) -> tuple[RunConfig, export.Exported]:
    """Return the program, and the settings that it computes with.

    Some forms of convolution are chosen by the lengths of an image, which a program for any size
    does not know. The library's own convolution then takes their place. It rounds differently,
    unless the arithmetic is order-free; but then only a CPU's library is exact.
    """
    config = found.config
    try:
        return config, _exported(found, config, any_size, PLATFORMS)
    except jax.errors.InconclusiveDimensionOperation:
        config = dataclasses.replace(config, conv_form="lax")
        exact = config.numerics == "reproducible"
        return config, _exported(found, config, any_size, PLATFORMS[:1] if exact else PLATFORMS)


def _exported(
    found: Trained, config: RunConfig, any_size: bool, platforms: Sequence[str]
) -> export.Exported:
    weights = {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in _weights(found).items()}
    with jax.default_matmul_precision(config.matmul_precision), _without_places():
        function = jax.jit(_function(found, config, platforms))
        return export.export(function, platforms=platforms)(weights, _inputs(found, any_size))


@contextlib.contextmanager
def _without_places() -> Iterator[None]:
    """Keep the names of files of this machine, and who called whom, out of the program."""
    wanted = {
        "jax_include_full_tracebacks_in_locations": False,
        "jax_hlo_source_file_canonicalization_regex": ".*",
    }
    before = {name: getattr(jax.config, name) for name in wanted}
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _inputs(found: Trained, any_size: bool) -> dict[str, jax.ShapeDtypeStruct]:
    """Return shapes and types of the inputs: any batch, and any size in space if asked for."""
    shapes = {name: ["b", *map(str, array.shape[1:])] for name, array in found.inputs.items()}
    if any_size:
        axes = [f"{found.lengths.multiple}*{axis}" for axis in "xyz"[: found.export.axes]]
        for shape in shapes.values():
            shape[1 : 1 + len(axes)] = axes
    texts = [",".join(shape) for shape in shapes.values()]
    scope = export.SymbolicScope()
    return {
        name: jax.ShapeDtypeStruct(export.symbolic_shape(text, scope=scope), array.dtype)
        for (name, array), text in zip(found.inputs.items(), texts, strict=True)
    }


def _function(
    found: Trained, config: RunConfig, platforms: Sequence[str]
) -> Callable[[Any, Any], Any]:
    """Return (weights, inputs) -> output, in the form of each platform."""

    def on(platform: str) -> Callable[[Any, Any], Any]:
        predict = found.predictor(config, platform)

        def apply(weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
            leaves = dict(weights)
            if config.numerics != "reproducible":
                leaves |= found.export.settled(leaves)
            tree = traverse.unflatten_dict(leaves, "/")
            return predict(tree["params"], tree.get("batch_stats", {}), inputs)

        return apply

    if len(platforms) == 1 or arithmetic_of(config, "cpu") == arithmetic_of(config, "gpu"):
        return on("cpu")
    forms = {"cpu": on("cpu"), "cuda": on("gpu")}
    return lambda weights, inputs: jax.lax.platform_dependent(weights, inputs, **forms)


def _described(found: Trained, program: export.Exported) -> dict[str, Any]:
    """Return the content of ``network.json``."""
    given = program.in_avals[-len(found.inputs) :]
    return {
        "task": found.task,
        "params": found.digest,
        "numerics_of_training": found.config.numerics,
        "jax": jax.__version__,
        "platforms": list(program.platforms),
        "calling_convention_version": program.calling_convention_version,
        "xla_flags": [f"--{name}={value}" for name, value in flags(found.config).items()],
        "inputs": {
            name: {"shape": [str(n) for n in aval.shape], "type": str(aval.dtype)}
            for name, aval in zip(sorted(found.inputs), given, strict=True)
        },
    }
