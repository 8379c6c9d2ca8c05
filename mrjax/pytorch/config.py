"""Configurations of PyTorch runs: that of the task, with PyTorch's switches. Imports no torch.

A preset has the same numbers as in JAX, so that runs of both frameworks can be paired.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from mrjax.config import RunConfig, option
from mrjax.errors import UserError
from mrjax.tasks import registry


def _task(default: str, choices: tuple[str, ...]) -> Any:
    return option(default, "Whose data, network, loss, metrics and presets", choices=choices)


class _Checked(Protocol):
    """What `Switches.check` needs of the configuration that `Switches` is mixed into."""

    task: str
    compile: bool
    numerics: str
    devices: int
    processes: int

    def check(self) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Switches:
    """Switches that only PyTorch has; mixed into the configuration of a task."""

    task: str = _task("", tuple(registry.TASKS))
    cudnn_benchmark: bool = option(
        False, "cuDNN times its algorithms for each shape and takes the fastest (GPU)"
    )
    cudnn_deterministic: bool = option(
        False, "cuDNN takes only algorithms that give the same bits again (GPU)"
    )
    deterministic_algorithms: bool = option(
        False,
        "torch.use_deterministic_algorithms: PyTorch's own kernels give the same bits again, or "
        "the run ends",
    )
    channels_last: bool = option(
        False, "Memory format of networks and batches; no effect on varnet, whose layers have none"
    )
    compile: bool = option(
        False,
        "torch.compile of training steps, predictions not, nor networks with complex numbers; "
        "needs a C++ compiler on a CPU",
    )

    def check(self: _Checked) -> None:
        """Raise UserError for values that do not go together."""
        if self.numerics != "native":
            raise UserError(
                f"--numerics={self.numerics} is an arithmetic of the JAX runs; expected native; "
                "drop it, since PyTorch computes by libraries of its own"
            )
        if self.devices > 1:
            raise UserError(
                f"--devices={self.devices} in PyTorch; expected 1, since its runs use one device; "
                "drop it"
            )
        if self.processes > 1:
            raise UserError(
                f"--processes={self.processes} in PyTorch; expected 1, since its runs use one "
                "process; drop it"
            )
        if self.compile and self.task and not registry.TASKS[self.task].compiles:
            others = " or ".join(name for name, task in registry.TASKS.items() if task.compiles)
            raise UserError(
                f"--compile with --task={self.task} is refused, since torch.compile gets complex "
                f"numbers wrong and the network learns something else; expected {others}; drop it"
            )
        super().check()  # pyright: ignore[reportAttributeAccessIssue]  (the task's check)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common(Switches, RunConfig):
    """The settings that all tasks have, for ``--help`` without a task."""


def _paired(name: str) -> type[RunConfig]:
    """The configuration of a task with PyTorch's switches beside its own."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Paired(Switches, registry.module(name, "config").Config):
        task: str = _task(name, (name,))

    Paired.__doc__ = f"Everything that determines a run of {name} in PyTorch."
    return Paired


CONFIGS: Mapping[str, tuple[type[RunConfig], Mapping[str, Mapping[str, Any]]]] = {
    name: (_paired(name), registry.module(name, "config").PRESETS) for name in registry.TASKS
}
"""Task -> configuration and presets."""
