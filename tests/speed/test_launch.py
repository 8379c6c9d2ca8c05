"""Variants of a step and their records; a variant that fails does not end the others."""

import json

import pytest

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.speed import launch, variants
from mrjax.speed.variants import PYTORCH, VARIANTS

TASKS = ("qsm", "varnet", "breast", "e2e")
STEP = {"task": "qsm", "variant": "jax_tf32", "step_s": 0.5, "flops": 3e12}


def prints(record: object) -> list[str]:
    return [
        "-c",
        f"import json; print('note: something'); print(json.dumps({record!r})); print('end')",
    ]


@pytest.mark.parametrize(
    ("task", "variant"), [(task, name) for task in TASKS for name in variants.of(task)]
)
def test_every_variant_is_a_configuration_of_every_task(task, variant):
    config = launch.config_of(task, variant, {"platform": "gpu"})
    assert isinstance(config, RunConfig) and config.platform == "gpu"
    assert hasattr(config, "cudnn_benchmark") == (VARIANTS[variant].framework == PYTORCH)
    assert config.xla_deterministic == (variant == "jax_deterministic")
    assert config.numerics == ("reproducible" if variant == "jax_orderfree" else "native")
    wanted = "default" if variant.split("_")[1] in ("tf32", "bfloat16") else "highest"
    assert config.matmul_precision == wanted
    assert config.dtype == ("bfloat16" if "bfloat16" in variant else "float32")


def test_the_share_is_of_the_rate_of_the_same_numbers():
    rates = {"float32": 50.0, "tf32": 60.0}
    assert launch.with_share(STEP, rates)["share_of_peak"] == pytest.approx(0.1)
    assert launch.with_share(STEP, {}) == STEP
    assert launch.with_share({"tflops": rates}, rates) == {"tflops": rates}


def test_each_command_has_a_record_and_a_failure_is_one():
    peak = {"task": "peak", "tflops": {"tf32": 60.0}}
    broken = ["-c", "import sys; sys.exit('error: no memory')"]
    found = list(launch.each([prints(peak), broken, ["-c", "print(1)"], prints(STEP)]))
    assert found[0] == peak
    assert found[1]["error"] == "error: no memory" and found[1]["code"] == 1
    assert found[2]["error"] == "1"
    assert found[3]["share_of_peak"] == pytest.approx(0.1)


def test_the_record_is_the_last_line_of_json():
    lines = ["note", json.dumps({"a": 1}), json.dumps({"b": 2}), "{torn", "the end"]
    assert launch.record_in(lines) == {"b": 2}
    assert launch.record_in(["nothing"]) is None


def test_names_of_variants():
    assert launch.chosen("qsm", "all") == list(VARIANTS)
    without = {name for name in VARIANTS if not name.endswith("compiled")}
    assert set(launch.chosen("varnet", "all")) == without != set(VARIANTS)
    assert launch.chosen("qsm", "jax_tf32,pytorch_tf32") == ["jax_tf32", "pytorch_tf32"]
    with pytest.raises(UserError, match="jax_tf23"):
        launch.chosen("qsm", "jax_tf23")
