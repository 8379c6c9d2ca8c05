"""The registry of tasks, from which every list of tasks follows. Imports no jax.

A task named NAME is the package ``mrjax.tasks.NAME`` with the modules ``config``, ``inputs``,
``model``, ``classical``, ``evaluate``, ``outputs``, ``noise`` and ``run``, and its twin
``mrjax.pytorch.tasks.NAME``. BUILD_NOTES.md, "How to add a network", describes the modules. A
module ``domain``, which a task may lack, knows what its networks were trained with, and a module
``export``, which it may lack too, what other programs must know of its networks.
"""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

PYTORCH = "pytorch"
"""Name of the program for every task in PyTorch."""
FORMERLY = {"baseline": PYTORCH}
"""Former name of a program -> present name; both are accepted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """The facts about a task that other parts need.

    Attributes:
        title: title in words.
        metrics: metrics of its results, keys of `mrjax.runs.result.METRICS`; the first is judged.
        output: quantity of a prediction, with its unit.
        sizes: fields of its configuration that determine the work of a step.
        grows: field of its configuration -> a field that it must not be smaller than, and its
            least value.
        single: fields that make its program do one training, where the program otherwise does
            several.
        whole: name of its module that does all trainings; "" where there is only one.
        network: path, below a whole run, of a run folder with one trained network; "" for the run
            folder itself.
        compiles: whether torch.compile computes its step correctly.
        formats: whether its tensors have memory formats in PyTorch (``--channels_last``).
        inputs: names of the arrays that its network gets.
        constants: constant of a network, without its domain -> names of its numbers.
        tags: words by which people look for such networks.
        normalised: how the input of a network is brought to its scale, in words.
        public: word for a public PyTorch program, of which networks are taken and to which they are
            given by ``mrjax.pytorch.exchange.NAME``; "" for none.
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
    inputs: Sequence[str] = ()
    constants: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    tags: Sequence[str] = ()
    normalised: str = ""
    public: str = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags that make its program do one training."""
        return tuple(f"--{name}={value}" for name, value in self.single.items())


TASKS: dict[str, Task] = {
    "qsm": Task(
        title="quantitative susceptibility mapping with QSMnet",
        metrics=("nrmse", "psnr", "ssim", "hfen", "xsim"),
        output="susceptibility [ppm]",
        sizes=("width", "levels", "window", "patch", "batch_size"),
        grows={"volume": ("patch", 8)},
        inputs=("field",),
        constants={
            "normalisation": ("field_mean", "field_std", "chi_mean", "chi_std"),
            "tuned": ("tkd_threshold", "l2_weight"),
        },
        tags=("quantitative-susceptibility-mapping", "image-reconstruction"),
        normalised="The network gets the local field minus its mean, divided by its standard "
        "deviation; its output is multiplied by the standard deviation of the susceptibility, plus "
        "its mean.",
    ),
    "varnet": Task(
        title="parallel imaging with the variational network",
        metrics=("nrmse", "psnr", "ssim", "ssim_fastmri"),
        output="magnitude [arbitrary units]",
        sizes=("width", "stages", "rows", "columns", "coils", "batch_size"),
        # torch 2.11 and 2.13 give, on a CPU and with two stages, a loss of 0.10 instead of 0.17,
        # without a warning.
        compiles=False,
        formats=False,
        inputs=("kspace", "maps", "mask"),
        constants={"tuned": ("iterations", "weight")},
        tags=("parallel-imaging", "image-reconstruction"),
        normalised="Each slice is divided by the largest magnitude of its zero-filled image; no "
        "constant of the training set is needed.",
        public="varnet",
    ),
    "breast": Task(
        title="breast masks with a U-Net",
        metrics=("dice",),
        output="probability of breast tissue",
        sizes=("width", "levels", "rows", "columns", "batch_size"),
        single={"fold": 0},
        whole="crossval",
        network="/repetition_000/fold_00",
        inputs=("image",),
        constants={"threshold": ("channel", "low", "high")},
        tags=("breast", "image-segmentation"),
        normalised="The images of each patient are divided by a scale of the patient's own; no "
        "constant of the training set is needed by the network.",
    ),
    "e2e": Task(
        title="parallel imaging with the end-to-end variational network",
        metrics=("nrmse", "psnr", "ssim", "ssim_fastmri"),
        output="magnitude [arbitrary units]",
        sizes=(
            *("width", "cascades", "levels", "sens_width", "sens_levels"),
            *("rows", "columns", "coils", "batch_size"),
        ),
        compiles=False,
        formats=False,
        inputs=("kspace", "mask", "lines"),
        constants={"tuned": ("iterations", "weight")},
        tags=("parallel-imaging", "image-reconstruction"),
        normalised="Each complex image is brought to zero mean and unit deviation, in real and "
        "imaginary part, before each U-Net and back behind it; no constant of the training set is "
        "needed.",
        public="fastmri",
    ),
}
"""Name -> task."""


def module(task: str, name: str) -> ModuleType:
    """Import a module of a task.

    Args:
        task: key of `TASKS`.
        name: name of the module, such as ``config``, which imports no jax, or ``run``.
    """
    return importlib.import_module(f"mrjax.tasks.{task}.{name}")


def whole(task: str) -> ModuleType:
    """Import the module that does all trainings of a task whose processes do one each."""
    return module(task, TASKS[task].whole)


def twin(task: str) -> ModuleType:
    """Import the module that makes a task's network in PyTorch."""
    return importlib.import_module(f"mrjax.pytorch.tasks.{task}")


def program(experiment: str, task: str = "") -> tuple[type, Mapping[str, Mapping[str, Any]]]:
    """Return the configuration of a program. Imports neither jax nor torch.

    Args:
        experiment: a task, or `PYTORCH`.
        task: the task, for PyTorch.

    Returns:
        The class of its configuration, and its presets.
    """
    if experiment == PYTORCH:
        return importlib.import_module("mrjax.pytorch.config").CONFIGS[task]
    config = module(experiment, "config")
    return config.Config, config.PRESETS
