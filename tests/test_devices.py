"""Devices, their software and their memory, with stand-ins for a GPU."""

import importlib.metadata
import json
import logging
import types

import jax
import pytest
from helpers import ROOT

from mrjax import backend
from mrjax.backend import software, startup
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.tasks import records

XLA = logging.getLogger("jax._src.xla_bridge")
UNKNOWN = "Unable to initialize backend 'cuda': Backend 'cuda' is not in the list of known backends"


class Device(types.SimpleNamespace):
    platform, device_kind = "gpu", "NVIDIA H100 80GB HBM3"
    client = types.SimpleNamespace(platform_version="PJRT C API\ncuda 13000")

    def memory_stats(self):
        return self.stats


def plugin_fails():
    """What JAX does about a plugin without a driver: it logs a traceback and goes on."""
    try:
        raise RuntimeError("operation cuInit(0) failed:\n  CUDA_ERROR_NO_DEVICE")
    except RuntimeError:
        XLA.exception("Jax plugin configuration error: Exception when calling %s()", "initialize")


def coming_up(monkeypatch, found, log=lambda: None, cpu=True):
    """Let JAX find these devices, or raise this error."""

    def devices(platform=None):
        if platform == "cpu":
            return [Device(platform="cpu")] if cpu else jax.local_devices(backend="nowhere")
        log()
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(jax, "devices", devices)


# platform and devices


@pytest.mark.parametrize("found", [RuntimeError(UNKNOWN), [Device(platform="cpu")]])
def test_a_plugin_that_cannot_start_is_one_line_with_its_reason(monkeypatch, caplog, found):
    coming_up(monkeypatch, found, plugin_fails)
    reason = r"\(Jax plugin .*\(operation cuInit\(0\) failed: CUDA_ERROR_NO_DEVICE\)\); expected"
    with pytest.raises(UserError, match=rf"{reason}.* or use --platform=cpu") as caught:
        backend.start(RunConfig(platform="gpu"))
    assert "\n" not in str(caught.value)
    assert not caplog.records  # no traceback on standard error


def test_without_a_plugin_the_error_itself_is_the_reason(monkeypatch):
    coming_up(monkeypatch, RuntimeError(UNKNOWN))
    with pytest.raises(UserError, match=r"not in the list of known backends\); .*mrjax\[cuda\]"):
        backend.start(RunConfig(platform="gpu"))
    coming_up(monkeypatch, AssertionError())
    with pytest.raises(UserError, match=r"\(no reason given\); expected a CPU"):
        backend.start(RunConfig())


def test_a_gpu_that_jax_passes_over_is_noted(monkeypatch, caplog):
    coming_up(monkeypatch, jax.devices(), plugin_fails)
    notes = backend.start(RunConfig()).notes
    assert [n for n in notes if n.startswith("JAX says: Jax plugin") and "NO_DEVICE" in n]
    assert not caplog.records  # no traceback on standard error
    assert not XLA.handlers and logging.getLogger("jax").propagate


def test_a_gpu_without_a_cpu_beside_it_is_refused(monkeypatch):
    """Under JAX_PLATFORMS=cuda there is no CPU, on which weights are drawn."""
    coming_up(monkeypatch, [Device()], cpu=False)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UserError, match=r"JAX_PLATFORMS=cuda \(.*nowhere.*\); expected a CPU"):
        backend.start(RunConfig())


# flags read back


def test_an_empty_record_of_flags_is_not_taken_for_defaults(monkeypatch):
    assert startup.read_flags_back() is not None
    nothing = types.SimpleNamespace(glob=lambda pattern: [])
    monkeypatch.setattr(startup, "Path", lambda folder: nothing)
    with pytest.raises(UserError, match="XLA does not tell which flags it runs with; expected"):
        startup.read_flags_back()


# memory


@pytest.mark.parametrize(
    ("stats", "peak"),
    [
        ([{"peak_bytes_in_use": 7, "bytes_in_use": 9}], 7),
        ([{"peak_bytes_in_use": 7}, {"peak_bytes_in_use": 8}], 8),
        ([{"peak_bytes_in_use": 0}], 0),
        ([None], None),  # an allocator without counts
        ([{"bytes_in_use": 9}], None),
        ([{"peak_bytes_in_use": -1}], None),  # JAX's word for a count that is not kept
        ([{"peak_bytes_in_use": 7}, None], None),  # the other may be fuller
    ],
)
def test_memory_of_gpus_is_never_that_of_the_process(stats, peak):
    assert records.peak_memory([Device(stats=each) for each in stats]) == peak


def test_memory_on_a_cpu_is_that_of_the_process():
    assert records.peak_memory(jax.devices()) >= records.process_memory() > 10**7


# software

MAPS = """\
7f00-7f10 r-xp 00000000 08:01 11  /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05
7f10-7f20 r-xp 00000000 08:01 12  /v/site-packages/nvidia/cu13/lib/libcublasLt.so.13
7f20-7f30 r--p 00000000 08:01 12  /v/site-packages/nvidia/cu13/lib/libcublasLt.so.13
7f30-7f40 r-xp 00000000 08:01 13  /usr/local/cuda/lib64/libcudnn.so.9.28.0
7f40-7f50 r-xp 00000000 08:01 14  /v/site-packages/nvidia/cudnn/lib/libcudnn_ops.so.9
7f50-7f60 rw-p 00000000 00:00 0   [heap]
"""
LIBRARIES = ["libcublasLt.so.13", "libcuda.so.580.95.05", "libcudnn.so.9.28.0"]


class Package(types.SimpleNamespace):
    version = "9.1"


@pytest.fixture
def nvidia(monkeypatch, tmp_path):
    """A machine with a driver, loaded libraries and packages."""
    (tmp_path / "driver").write_text("NVRM version: NVIDIA 580.95.05\nGCC version: 12\n")
    (tmp_path / "maps").write_text(MAPS)
    monkeypatch.setattr(software, "_DRIVER", tmp_path / "driver")
    monkeypatch.setattr(software, "_MAPS", tmp_path / "maps")
    names = ("nvidia_cudnn_cu13", "jax-cuda13-plugin", "numpy", "triton", "nvidia-cudnn-cu13", None)
    found = [Package(name=name, version=f"{i}.0") for i, name in enumerate(names)]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: found)


def test_software_of_a_gpu(nvidia):
    assert software.cuda() == {
        "driver": "NVRM version: NVIDIA 580.95.05",
        "libraries": LIBRARIES,
        "packages": {"jax-cuda13-plugin": "1.0", "nvidia-cudnn-cu13": "0.0", "triton": "3.0"},
    }


def test_what_a_system_does_not_tell_is_null(monkeypatch, tmp_path):
    monkeypatch.setattr(software, "_DRIVER", tmp_path / "none")
    monkeypatch.setattr(software, "_MAPS", tmp_path / "none")
    found = software.cuda()
    assert found["driver"] is None and found["libraries"] is None


def test_a_record_of_a_gpu(nvidia):
    started = startup.Backend("gpu", Device.device_kind, (Device(),), "run_to_run", (), ())
    gpu = json.loads(json.dumps(started.facts()))["gpu"]
    assert gpu["platform_version"] == "PJRT C API\ncuda 13000" and gpu["libraries"] == LIBRARIES


def test_nothing_is_taken_from_jax_that_is_private():
    sources = list((ROOT / "mrjax").rglob("*.py"))
    assert [p for p in sources if "jax._src" in p.read_text()] == [] and len(sources) > 100
