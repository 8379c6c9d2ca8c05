"""What XLA makes of our training steps for an H100 and an H200, read without the devices.

Shown: which convolutions become cuDNN calls (the GPU form was compiled, not the CPU's), and that
no kernel of XLA's own uses atomics, whose order of arrival changes the rounding of a sum.
Not shown: which cuDNN engine runs (chosen on the device, ``algo_id`` is -1 here), whether that
engine uses atomics itself, and that two executions agree: only a GPU can say so.
"""

import functools
import json
import re
from collections.abc import Callable

import aot
import pytest
from gpu_targets import GPUS
from helpers import shared

from mrjax.backend.levels import OWNED, xla_flags
from mrjax.config import RunConfig

STEPS = {"qsm": 8, "varnet": 10, "breast": 8, "e2e": 30}
"""Network and the least number of cuDNN convolutions expected in its step.

A U-Net has three blocks of layers there, each with a response, a gradient by the kernel and, but
for the first one, a gradient by the image.

The step is compiled at XLA's defaults, the harder case: the flags of ``run_to_run`` would replace
a scatter that slipped in, so that its atomics could not be seen. (A minute; both levels agreed.)
"""
ON_GPUS = [(task, gpu) for task in STEPS for gpu in GPUS]
"""Each network for each GPU: XLA fuses otherwise on each, by its bandwidth."""
BUILT = {
    "native steps": [(f"{task}_train_step", gpu) for task, gpu in ON_GPUS],
    "order-free steps": [(f"reproducible_{task}_train_step", gpu) for task, gpu in ON_GPUS],
    "pieces": [("convolution_gradient", "h200"), ("max_pool_gradient", "h200")],
}
"""What one process compiles: builders in tests/aot_builds.py, each for a GPU."""

LEVELS = {
    "not_guaranteed": "",
    "run_to_run": "--xla_gpu_deterministic_ops=true --xla_gpu_exclude_nondeterministic_ops=true",
}


def cudnn_convolutions(hlo: str) -> list[str]:
    return re.findall(r'custom_call_target="(__cudnn\$conv\w+)"', hlo)


def atomics(ptx: str) -> list[str]:
    """Read-modify-write instructions on memory, predicated ones included."""
    return re.findall(r"^\s*(?:@!?%p\d+\s+)?((?:atom|red)\.\S+)", ptx, flags=re.MULTILINE)


ARITHMETIC = re.compile(
    r"^\s*(?:@!?%p\d+\s+)?"
    r"((?:add|sub|mul|fma|mad|div|sqrt|rcp|rsqrt|ex2|lg2|sin|cos|tanh)\.\S*f(?:16|32|64)\S*)",
    flags=re.MULTILINE,
)


def rounds_otherwise(ptx: str) -> set[str]:
    """Instructions on floats that are not IEEE round-to-nearest, and products in TF32."""
    found = set(ARITHMETIC.findall(ptx))
    inexact = set(re.findall(r"\b((?:wg)?mma\.\S*(?:tf32|f16)\S*)", ptx))
    return {name for name in found if ".rn." not in name or ".ftz" in name} | inexact


def libraries(hlo: str) -> set[str]:
    return set(re.findall(r'custom_call_target="([^"]+)"', hlo))


def plain_convolutions(hlo: str) -> list[str]:
    return re.findall(r"= \S+ convolution\(", hlo)


def is_for(compiled: aot.Compiled, gpu: str) -> bool:
    """Whether XLA compiled for this GPU and no other, by its own account."""
    wanted = GPUS[gpu]
    figures = (f'name: "{wanted.name}"', f"device_memory_size: {wanted.memory}\n")
    return all(figure in compiled.gpu for figure in figures) and ".target sm_90a" in compiled.ptx


def test_the_description_is_that_of_a_real_h200():
    """Every line we write stands in the description of one, which has more than we need."""
    real = shared("reference/h200.txtpb").read_text()
    assert set(GPUS["h200"].config().split("\n")) <= {line.strip() for line in real.split("\n")}


@pytest.fixture(scope="module")
def compile_once(tmp_path_factory) -> Callable[..., aot.Compiled]:
    """Compile a builder of tests/aot_builds.py for a GPU at a level, with what belongs to it."""

    @functools.cache
    def compiled(name: str, level: str) -> dict[tuple[str, str], aot.Compiled]:
        builds = [(f"aot_builds:{build}", gpu) for build, gpu in BUILT[name]]
        folder = tmp_path_factory.mktemp(f"{name}-{level}")
        return aot.compile_all(builds, folder, xla_flags=LEVELS[level])

    def one(build: str, gpu: str = "h200", level: str = "not_guaranteed") -> aot.Compiled:
        (name,) = (name for name, builds in BUILT.items() if (build, gpu) in builds)
        return compiled(name, level)[f"aot_builds:{build}", gpu]

    return one


def assert_cudnn_and_no_atomics(compiled: aot.Compiled, expected: int) -> None:
    assert len(cudnn_convolutions(compiled.hlo)) >= expected
    assert not plain_convolutions(compiled.hlo)
    assert not atomics(compiled.ptx)


@pytest.mark.parametrize(("task", "gpu"), ON_GPUS)
def test_training_steps_use_cudnn_and_no_atomics(task, gpu, compile_once):
    compiled = compile_once(f"{task}_train_step", gpu)
    assert is_for(compiled, gpu)
    assert_cudnn_and_no_atomics(compiled, STEPS[task])


@pytest.mark.parametrize("level", LEVELS)
def test_convolution_gradients_use_cudnn_and_no_atomics(level, compile_once):
    """Two convolutions at both levels: what the steps are compiled at one level only for."""
    compiled = compile_once("convolution_gradient", level=level)
    assert is_for(compiled, "h200") and not is_for(compiled, "h100")
    assert_cudnn_and_no_atomics(compiled, 2)


def test_stock_max_pooling_has_atomics(compile_once):
    """Positive control: the search above finds atomics where they are known to be."""
    compiled = compile_once("max_pool_gradient")
    assert "atom." in compiled.ptx
    assert atomics(compiled.ptx)


def test_determinism_flags_reach_the_compiler(compile_once):
    """The same graph under the flags of run_to_run: XLA replaces the scatter by a sorted one."""
    compiled = compile_once("max_pool_gradient", level="run_to_run")
    assert not atomics(compiled.ptx)
    assert " sort(" in compiled.hlo


def test_weight_gradient_is_a_backward_filter_convolution(compile_once):
    """The gradient of a convolution reaches cuDNN as such, not as a general convolution."""
    compiled = compile_once("convolution_gradient")
    kinds = set(cudnn_convolutions(compiled.hlo))
    assert kinds == {"__cudnn$convForward", "__cudnn$convBackwardFilter"}


@pytest.mark.parametrize(("task", "gpu"), ON_GPUS)
def test_the_order_free_step_rounds_to_nearest_only(task, gpu, compile_once):
    """No convolution library, no Fourier transform, no approximation, no atomics.

    What is left to a library is matrix products of integers in float64.
    """
    compiled = compile_once(f"reproducible_{task}_train_step", gpu)
    assert is_for(compiled, gpu)
    assert not rounds_otherwise(compiled.ptx)
    assert not atomics(compiled.ptx)
    assert {name for name in libraries(compiled.hlo) if not name.startswith("__cublas$")} == set()
    assert not plain_convolutions(compiled.hlo) and " fft(" not in compiled.hlo
    assert ARITHMETIC.search(compiled.ptx) and "f64" in compiled.ptx


def test_the_native_step_rounds_otherwise(compile_once):
    """Positive control of the searches above."""
    compiled = compile_once("varnet_train_step")
    assert {name for name in rounds_otherwise(compiled.ptx) if "approx" in name or "full" in name}
    assert cudnn_convolutions(compiled.hlo) and " fft(" in compiled.hlo


READ_BACK = """
import aot, json
from mrjax.backend.startup import read_flags_back
print(json.dumps(read_flags_back(aot.place("h200"))))
"""


@pytest.mark.parametrize("fields", [{"xla_deterministic": True}, {"xla_autotune": "frozen"}])
def test_flags_are_read_back_from_the_compiler_for_a_gpu(fields, tmp_path):
    """All flags a run sets and no others, even if the frozen autotuner knows no choices at all."""
    choices = tmp_path / "choices.txt"
    choices.write_text("version: 3\n")  # of the file's format: without it jax 0.10.2 stops
    file = str(choices) if "xla_autotune" in fields else ""
    wanted = xla_flags(RunConfig(**fields, xla_autotune_file=file))
    flags = " ".join(f"--{name}={value}" for name, value in wanted.items())
    seen = json.loads(aot.child("-c", READ_BACK, xla_flags=flags))
    assert {name: value for name, value in seen.items() if name in OWNED} == wanted
