"""Start PyTorch on the device and with the switches asked for, and report what it says of itself.

JAX is in the same process, on the CPU: it draws the initial weights and the order of the batches,
so that both frameworks have the same. This module imports neither framework at its top, because
both read the environment when they are imported.
"""

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from mrjax.backend import levels, plan, software
from mrjax.backend.planning import PRODUCTS, on_products
from mrjax.backend.team import ALONE, Team
from mrjax.config import sources
from mrjax.errors import UserError
from mrjax.pytorch.config import Common
from mrjax.tasks import registry

if TYPE_CHECKING:
    import torch

_PACKAGES = ("numpy", "scipy", "jax", "jaxlib")
_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", *PRODUCTS,
    "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "TORCHINDUCTOR_FORCE_DISABLE_CACHES",
)  # fmt: skip
_NO_CACHES = "TORCHINDUCTOR_FORCE_DISABLE_CACHES"
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")
_OF_XLA = ("XLA_FLAGS", "NPROC", "PJRT_NPROC")
_XLA_ONLY = sources.only(sources.JAX)


@dataclasses.dataclass(frozen=True)
class Backend:
    """The device of a PyTorch run, and what is known about it.

    Attributes:
        platform: "cpu" or "gpu".
        device: torch's name of it, ``cpu`` or ``cuda:0``.
        level: level of reproducibility, one of `mrjax.backend.LEVELS`.
        asked: switches of the run that cannot be read back from torch.
        notes: what the user should know, one line each.
        team: this process alone.
    """

    platform: str
    device: str
    level: str
    asked: dict[str, bool]
    notes: tuple[str, ...]
    team: Team = ALONE

    def facts(self) -> dict[str, Any]:
        """The backend's part of environment.json, as JSON values; switches are read back."""
        import torch

        gpu = self.platform == "gpu"
        return {
            "platform": self.platform,
            "device_kind": torch.cuda.get_device_name(self.device) if gpu else "cpu",
            "device_count": 1,
            "level": self.level,
            # Only torch itself names the CUDA version it was built for, as in 2.11.0+cu130.
            "versions": software.versions(_PACKAGES) | {"torch": str(torch.__version__)},
            "gpu": _gpu_facts(self.device) if gpu else None,
            "variables": {name: os.environ.get(name) for name in _VARIABLES},
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "switches": _switches() | self.asked,
            "notes": list(self.notes),
        }


def require_torch() -> None:
    """Import PyTorch, which may be missing, or broken in any way.

    Raises:
        UserError: PyTorch cannot be imported, or a folder of that name is found in its place.
    """
    advice = (
        'pip install "mrjax[torch]" (on a CPU: --index-url https://download.pytorch.org/whl/cpu)'
    )
    try:
        import torch

        version = torch.__version__
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise UserError(_broken(error, advice)) from error
        raise UserError(
            "PyTorch is not installed; expected it for experiments.pytorch and bench, and for "
            f"networks of the public PyTorch VarNet; {advice}"
        ) from error
    except Exception as error:  # Loading its libraries and running its code may raise anything.
        raise UserError(_broken(error, advice)) from error
    assert version


def _broken(error: Exception, advice: str) -> str:
    text = (str(error).splitlines() or [""])[0][:120]
    return (
        f"PyTorch cannot be imported ({type(error).__name__}: {text}); expected a whole "
        f"installation, and no folder torch here; {advice}"
    )


def start(config: Common) -> Backend:
    """Set the environment, start PyTorch and set its switches.

    Args:
        config: checked configuration of a task.

    Returns:
        The backend.

    Raises:
        UserError: PyTorch or the device asked for is missing.
    """
    _require_folder()
    given = dict(os.environ)
    notes = [*_prepare_jax(config), *_prepare_cublas(config), *_prepare_compiler()]
    require_torch()  # Only now, because PyTorch reads the environment when it is imported.
    device = _device(config)
    platform = "gpu" if device.type == "cuda" else "cpu"
    if platform == "gpu":
        notes += on_products(config, dict(given.items() & os.environ.items()))
    _set_switches(config, device)
    return Backend(
        platform=platform,
        device=str(device),
        level=level(config, platform),
        asked={"channels_last": config.channels_last, "compile": config.compile},
        notes=(*notes, *without_effect(config, platform)),
    )


def level(config: Common, platform: str) -> str:
    """Return the level that the switches promise on a platform, one of `mrjax.backend.LEVELS`.

    On a GPU the kernels of torch and of cuDNN must be deterministic, and cuDNN must not choose
    among them by timing. On a CPU it is enough that the kernels of torch are deterministic.
    """
    cudnn = config.cudnn_deterministic and not config.cudnn_benchmark
    if config.deterministic_algorithms and (cudnn or platform == "cpu"):
        return levels.RUN_TO_RUN
    return levels.NOT_GUARANTEED


def without_effect(config: Common, platform: str) -> list[str]:
    """Return one note for each flag that is set but has no effect here.

    Args:
        config: of the run.
        platform: "cpu" or "gpu".
    """
    default = Common()
    foreign = [name for name in _XLA_ONLY if getattr(config, name) != getattr(default, name)]
    idle_here = sources.without_effect(platform, "pytorch")
    absent = [name for name in idle_here if getattr(config, name) != getattr(default, name)]
    eager = ["--compile is for training steps; predictions are not compiled"] * config.compile
    formats = registry.TASKS[config.task].formats if config.task else True
    idle = ["channels_last"] if config.channels_last and not formats else []
    return [
        *(f"--{name} has no effect in PyTorch" for name in foreign),
        *(f"--{name} has no effect on a {platform}" for name in absent),
        *(f"--{name} has no effect on a {config.task}" for name in idle),
        *eager,
    ]


def _require_folder() -> None:
    """Refuse a current folder that was removed, with which oneMKL ends the process."""
    try:
        os.getcwd()  # noqa: PTH109 Path.cwd() is the same
    except OSError as error:
        raise UserError(
            "the current folder has been removed; expected one that exists, which PyTorch's "
            "libraries need; change to another folder"
        ) from error


def _prepare_jax(config: Common) -> list[str]:
    """Set the environment of JAX, which runs on the CPU beside PyTorch; return notes."""
    notes = [f"{n} of the environment is not used" for n in _OF_XLA if os.environ.pop(n, None)]
    reset = {name: getattr(Common(), name) for name in _XLA_ONLY}
    planned = plan(dataclasses.replace(config, platform="cpu", **reset), os.environ)
    of_jax = [n for n in planned.notes if n.startswith("JAX_")]
    notes += [n for n in of_jax if not n.startswith("JAX_PLATFORMS=")]  # the CPU is JAX's anyway
    for name in os.environ.keys() - planned.environ.keys():
        del os.environ[name]
    os.environ.update(planned.environ)
    if "OMP_NUM_THREADS" in os.environ and not config.cpu_threads:
        threads = os.environ["OMP_NUM_THREADS"]
        notes.append(f"OMP_NUM_THREADS={threads} of the environment sets the number of CPU threads")
    return notes


def _prepare_cublas(config: Common) -> list[str]:
    """Set the workspace that deterministic algorithms need of cuBLAS; return notes."""
    old = os.environ.get(_WORKSPACE)
    if not config.deterministic_algorithms or old in _DETERMINISTIC_WORKSPACES:
        return []
    os.environ[_WORKSPACE] = new = _DETERMINISTIC_WORKSPACES[0]
    return [f"{_WORKSPACE}={old} of the environment is replaced by {new}"] if old else []


def _prepare_compiler() -> list[str]:
    """Make torch.compile ignore results of other runs, a source of variation; return notes."""
    old = os.environ.get(_NO_CACHES, "1")
    os.environ[_NO_CACHES] = "1"
    return [f"{_NO_CACHES}={old} of the environment is replaced by 1"] if old != "1" else []


def _device(config: Common) -> "torch.device":
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if config.platform == "cpu" or (config.platform == "auto" and not there):
        return torch.device("cpu")
    if config.device_index >= there:
        asked = f"--platform={config.platform} --device_index={config.device_index}"
        raise UserError(
            f"{asked} but PyTorch finds {there} GPUs; expected an index among them; install a "
            "PyTorch built for CUDA and a driver, or use --platform=cpu"
        )
    return torch.device("cuda", config.device_index)


def _set_switches(config: Common, device: "torch.device") -> None:
    import torch

    if config.cpu_threads:
        torch.set_num_threads(config.cpu_threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = config.cudnn_benchmark
    torch.backends.cudnn.deterministic = config.cudnn_deterministic
    torch.use_deterministic_algorithms(config.deterministic_algorithms)
    precision = "ieee" if config.matmul_precision == "highest" else "tf32"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision  # pyright: ignore


def _switches() -> dict[str, Any]:
    """The settings of torch that decide about bits, read back."""
    import torch

    return {
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "matmul_fp32_precision": torch.backends.cuda.matmul.fp32_precision,
        "conv_fp32_precision": torch.backends.cudnn.conv.fp32_precision,  # pyright: ignore
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "mkl": torch.backends.mkl.is_available(),
    }


def _gpu_facts(device: str) -> dict[str, Any]:
    import torch

    return {
        "capability": list(torch.cuda.get_device_capability(device)),
        "cudnn": torch.backends.cudnn.version(),
        **software.cuda(),
    }
