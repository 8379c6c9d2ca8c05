"""The tasks there are: one line each, from which every list of tasks follows. Imports no jax.

A task named NAME is the package ``mrjax.tasks.NAME`` with the modules ``config``, ``inputs``,
``model``, ``classical``, ``evaluate``, ``noise`` and ``run``, and its twin
``mrjax.pytorch.tasks.NAME``. BUILD_NOTES.md, "How to add a network", says what each holds.
"""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

PYTORCH = "pytorch"
"""Program for every task in PyTorch."""
FORMERLY = {"baseline": PYTORCH}
"""Former name of a program -> its name; both are read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What other parts must know of a task.

    Attributes:
        title: in words.
        metrics: that its results have, keys of `mrjax.runs.result.METRICS`; the first is judged.
        output: what a prediction shows, with its unit.
        sizes: fields of its configuration that determine the work of a step.
        grows: field of its configuration -> field it must not be smaller than, and its least value.
        single: fields that make its program one training, where it is otherwise several.
        whole: its module that runs all of them, "" where there is one only.
        network: of a whole run, the run folder below it that holds one trained network; "" for
            the run folder itself.
        compiles: whether torch.compile computes its step rightly.
        formats: whether its tensors have memory formats in PyTorch (``--channels_last``).
    """

    title: str
    metrics: Sequence[str]
    output: str
    sizes: Sequence[str]
    grows: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    single: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    whole: str = ""
    network: str = ""
    compiles: bool = True
    formats: bool = True

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags that make its program one training."""
        return tuple(f"--{name}={value}" for name, value in self.single.items())


TASKS: dict[str, Task] = {
    "qsm": Task(
        title="quantitative susceptibility mapping with QSMnet",
        metrics=("nrmse", "psnr", "ssim", "hfen"),
        output="susceptibility [ppm]",
        sizes=("width", "levels", "window", "patch", "batch_size"),
        grows={"volume": ("patch", 8)},
    ),
    "varnet": Task(
        title="parallel imaging with the variational network",
        metrics=("nrmse", "psnr", "ssim"),
        output="magnitude [arbitrary units]",
        sizes=("width", "stages", "rows", "columns", "coils", "batch_size"),
        # torch 2.11 and 2.13 on a CPU, two stages: a loss of 0.10 instead of 0.17, no warning.
        compiles=False,
        formats=False,
    ),
    "breast": Task(
        title="breast masks with a U-Net",
        metrics=("dice",),
        output="probability of breast tissue",
        sizes=("width", "levels", "rows", "columns", "batch_size"),
        single={"fold": 0},
        whole="crossval",
        network="/repetition_000/fold_00",
    ),
}
"""Name -> task."""


def module(task: str, name: str) -> ModuleType:
    """Import a module of a task.

    Args:
        task: key of `TASKS`.
        name: such as ``config``, which imports no jax, or ``run``.
    """
    return importlib.import_module(f"mrjax.tasks.{task}.{name}")


def whole(task: str) -> ModuleType:
    """Import the module that does a run of runs, for a task of which one process is a part."""
    return module(task, TASKS[task].whole)


def twin(task: str) -> ModuleType:
    """Import the module that makes a task's network in PyTorch."""
    return importlib.import_module(f"mrjax.pytorch.tasks.{task}")


def program(experiment: str, task: str = "") -> tuple[type, Mapping[str, Mapping[str, Any]]]:
    """Return what one of our programs can be asked for. Imports neither jax nor torch.

    Args:
        experiment: a task, or `PYTORCH`.
        task: for PyTorch, whose network.

    Returns:
        Class of its configuration, and presets.
    """
    if experiment == PYTORCH:
        return importlib.import_module("mrjax.pytorch.config").CONFIGS[task]
    config = module(experiment, "config")
    return config.Config, config.PRESETS
