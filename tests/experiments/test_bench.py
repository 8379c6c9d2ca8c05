"""The benchmark as a user runs it, at tiny shapes."""

import json
import subprocess

import pytest
from experiments_helpers import refused, without_torch
from programs_here import here

pytest.importorskip("torch", reason="needs torch, the benchmark's other side")

SIZES = {
    "qsm": {"width": 2, "levels": 1, "patch": 8, "batch_size": 1, "window": 3},
    "varnet": {
        "width": 2, "stages": 1, "rows": 26, "columns": 24, "coils": 2, "batch_size": 1,
    },
    "breast": {"width": 2, "levels": 1, "rows": 16, "columns": 18, "batch_size": 2},
}  # fmt: skip
PEERS = {
    "qsm": ("contiguous", "channels_last_3d"),
    "varnet": ("public", "tuned"),
    "breast": ("contiguous", "channels_last"),
}


def bench(task: str, sizes: dict[str, int], *more: str) -> subprocess.CompletedProcess:
    flags = [f"--{name}={size}" for name, size in sizes.items()]
    return here("bench", f"--task={task}", "--rounds=1", *flags, *more, check=False)


def records(task: str, sizes: dict[str, int], *more: str) -> list[dict]:
    done = bench(task, sizes, *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("task", SIZES)
def test_one_json_line(task):
    (record,) = records(task, SIZES[task])
    assert record["task"] == task
    assert record["shape"] == SIZES[task]
    assert record["ratio"] == record["ours_s"] / record["peer_s"]
    assert record["peer"] in PEERS[task]
    assert task != "varnet" or record["peer"] == "public"
    assert record["median_s"].keys() == {"ours", "stock", *PEERS[task]}
    assert all(seconds > 0 for seconds in record["median_s"].values())


def test_the_order_free_step_is_timed_beside_the_others():
    (record,) = records("qsm", SIZES["qsm"], "--numerics=reproducible", "--stock=false")
    assert record["median_s"].keys() == {"ours", "reproducible", *PEERS["qsm"]}
    assert record["reproducible_s"] == record["median_s"]["reproducible"]
    for costs in (record["compile_s"], record["memory_bytes"]):
        assert costs.keys() == {"ours", "reproducible"} and min(costs.values()) > 0


def test_forms_of_every_convolution():
    found = records("conv_forms", SIZES["qsm"])
    assert [r["convolution"] for r in found] == [
        "8^3, 1 to 2",
        "8^3, 2 to 2",
        "8^3, 4 to 2",
        "4^3, 2 to 4",
        "4^3, 4 to 4",
    ]
    for record in found:
        assert record["chosen"]["product"] in record["product_ms"]
        assert record["chosen"]["kernel_gradient"] in record["kernel_gradient_ms"]


@pytest.mark.parametrize(
    ("task", "variant"),
    [("qsm", "jax_float32"), ("varnet", "pytorch_tf32"), ("breast", "jax_orderfree"),
     ("breast", "pytorch_bfloat16")],
)  # fmt: skip
def test_a_variant_alone(task, variant):
    (record,) = records(task, SIZES[task], f"--variants={variant}")
    assert (record["task"], record["variant"]) == (task, variant)
    assert 0 < record["minimum_s"] <= record["step_s"]
    assert record["flops"] > 0 and record["memory_bytes"] > 0
    assert record["level"] == ("machine_to_machine" if "orderfree" in variant else "not_guaranteed")


def test_variants_in_processes_of_their_own_with_the_share_of_the_peak():
    names = ("jax_tf32", "pytorch_float32")
    peak, *found = records("breast", SIZES["breast"], f"--variants={','.join(names)}")
    assert min(peak["tflops"].values()) > 0
    assert tuple(record["variant"] for record in found) == names
    for record, numbers in zip(found, ("tf32", "float32"), strict=True):
        rate = record["flops"] / record["step_s"] / 1e12
        assert record["share_of_peak"] == pytest.approx(rate / peak["tflops"][numbers])


def test_without_torch_it_says_how_to_install_it():
    refused(without_torch("bench", "--task=qsm"), "PyTorch is not installed", "pip install")


@pytest.mark.parametrize(
    ("task", "sizes", "words"),
    [
        ("breast", {"coils": 4}, "--coils has no effect"),
        ("qsm", {"window": 4}, "window"),
        ("qsm", {"width": 0}, "width"),
        ("qsm", {"strange": 1}, "strange"),
        ("no_task", {}, "no_task"),
        ("qsm", {"variants": "jax_float23"}, "jax_float23"),
        ("conv_forms", {"platform": "gpu"}, "--platform=cpu"),
        ("qsm", {"platform": "gpu", "variants": "jax_float32"}, "gpu"),
    ],
)
def test_mistakes_end_with_one_line(task, sizes, words):
    done = bench(task, sizes)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and words in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout
