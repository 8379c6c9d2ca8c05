"""What XLA makes of our training steps for an H200, read without the device.

Shown: which convolutions become cuDNN calls (the GPU form was compiled, not the CPU's), and that
no kernel of XLA's own uses atomics, whose order of arrival changes the rounding of a sum.
Not shown: which cuDNN engine runs (chosen on the device, ``algo_id`` is -1 here), whether that
engine uses atomics itself, and that two executions agree: only a GPU can say so.
"""

import functools
import re
from collections.abc import Callable

import aot
import pytest

BUILDS = [
    ("convolution_gradient", "not_guaranteed", 2),
    ("convolution_gradient", "run_to_run", 2),
    ("qsm_train_step", "not_guaranteed", 30),
    # Three stages, each two convolutions, their kernel and input gradients but the first input's.
    ("varnet_train_step", "not_guaranteed", 10),
    ("breast_train_step", "not_guaranteed", 30),
]
"""Builder in tests/aot_builds.py, level, and the least number of cuDNN convolutions expected.

The step is compiled at XLA's defaults, the harder case: the flags of ``run_to_run`` would replace
a scatter that slipped in, so that its atomics could not be seen. (A minute; both levels agreed.)
"""

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


@pytest.fixture(scope="module")
def compile_once(tmp_path_factory) -> Callable[..., aot.Compiled]:
    """Compile a builder of tests/aot_builds.py at a level."""

    @functools.cache
    def compiled(build: str, level: str) -> aot.Compiled:
        folder = tmp_path_factory.mktemp(build)
        return aot.compile_for_h200(f"aot_builds:{build}", folder, xla_flags=LEVELS[level])

    return lambda build, level="not_guaranteed": compiled(build, level)


@pytest.mark.parametrize("build, level, expected", BUILDS)
def test_training_graphs_use_cudnn_and_no_atomics(build, level, expected, compile_once):
    compiled = compile_once(build, level)
    assert len(cudnn_convolutions(compiled.hlo)) >= expected
    assert not plain_convolutions(compiled.hlo)
    assert ".target sm_90" in compiled.ptx
    assert not atomics(compiled.ptx)


def test_stock_max_pooling_has_atomics(compile_once):
    """Positive control: the search above finds atomics where they are known to be."""
    compiled = compile_once("max_pool_gradient")
    assert "atom." in compiled.ptx
    assert atomics(compiled.ptx)


def test_determinism_flags_reach_the_compiler(compile_once):
    """The same graph under the flags of run_to_run: XLA replaces the scatter by a sorted one."""
    compiled = compile_once("max_pool_gradient", "run_to_run")
    assert not atomics(compiled.ptx)
    assert " sort(" in compiled.hlo


def test_weight_gradient_is_a_backward_filter_convolution(compile_once):
    """The gradient of a convolution reaches cuDNN as such, not as a general convolution."""
    compiled = compile_once("convolution_gradient")
    kinds = set(cudnn_convolutions(compiled.hlo))
    assert kinds == {"__cudnn$convForward", "__cudnn$convBackwardFilter"}


@pytest.mark.parametrize("task", ["qsm", "varnet", "breast"])
def test_the_order_free_step_rounds_to_nearest_only(task, compile_once):
    """No convolution library, no Fourier transform, no approximation, no atomics.

    What is left to a library is matrix products of integers in float64.
    """
    compiled = compile_once(f"reproducible_{task}_train_step")
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
