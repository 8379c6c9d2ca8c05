"""What `experiments.bench` times: frameworks in turns, or variants in processes of their own.

Imports neither JAX nor PyTorch before the process has the environment that the timing needs.
"""

import dataclasses
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mrjax import backend
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.pytorch import startup
from mrjax.speed import launch
from mrjax.tasks import registry
from mrjax.tasks.registry import TASKS

FORMS = ("conv_forms", "planar_forms")
"""Names of the measurements of single convolutions, 3-D and 2-D, in place of a task's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What a benchmark is asked for.

    Attributes:
        task: whose step is timed, or one of `FORMS`, or `mrjax.speed.launch.PEAK`.
        platform: ``cpu`` or ``gpu``.
        preset: gives the sizes that are not given.
        variants: names of `mrjax.speed.variants.VARIANTS` with commas between them, ``all``, or ""
            for both frameworks in turns (all variants on a GPU).
        rounds: timed steps.
        threads: of both frameworks on a CPU.
        stock: whether the step with XLA's own convolutions is timed too.
        reproducible: whether the order-free step is timed too.
        sizes: {field: size} that differ from the preset.
    """

    task: str
    platform: str
    preset: str
    variants: str
    rounds: int
    threads: int
    stock: bool
    reproducible: bool
    sizes: Mapping[str, int]

    @property
    def alone(self) -> bool:
        """Whether each variant has a process of its own."""
        return self.task == launch.PEAK or self.platform == "gpu" or bool(self.variants)

    def fields(self, task: str) -> dict[str, Any]:
        """Return the fields of the configuration of a task whose step is timed.

        Raises:
            UserError: a size that the task does not have.
        """
        one = TASKS[task]
        strange = sorted(self.sizes.keys() - set(one.sizes))
        if strange:
            raise UserError(
                f"--{strange[0]} has no effect on a step of {task}; expected some of "
                f"--{', --'.join(one.sizes)}; drop it"
            )
        config_class, presets = registry.program(task)
        fields = {**presets[self.preset], **self.sizes}
        for name, (other, least) in one.grows.items():
            fields[name] = max(least, fields.get(other, getattr(config_class, other)))
        return fields


def run(asked: Asked) -> int:
    """Time what is asked for and print one JSON line a record; may restart the process first.

    Args:
        asked: checked here.

    Returns:
        0, or 1 if a variant failed.

    Raises:
        UserError: the sizes do not go together, or a framework or device is not there.
        RunFailed: the device has too little memory.
    """
    return _print(_alone(asked) if asked.alone else _in_turns(asked))


def _print(records: Iterable[Mapping[str, Any]]) -> int:
    """Print every record as soon as it is known; one that failed makes the exit code 1."""
    code = 0
    for record in records:
        code = 1 if "error" in record else code
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()
    return code


def _in_turns(asked: Asked) -> Iterator[Mapping[str, Any]]:
    """Time both frameworks in this process, one step of each after the other."""
    task = asked.task if asked.task in TASKS else next(iter(TASKS))
    cpu = {"platform": "cpu", "cpu_threads": asked.threads}
    config = launch.config_of(task, "jax_float32", {**asked.fields(task), **cpu})
    startup.require_torch()
    backend.reexec(config)
    importlib.import_module("torch").set_num_threads(asked.threads)
    from mrjax.pytorch.bench import forms, steps

    if asked.task == "planar_forms":
        yield from forms.planar_forms(asked.rounds)
    elif asked.task == "conv_forms":
        yield from forms.volume_forms(config, asked.rounds)
    else:
        timed = importlib.import_module(f"mrjax.pytorch.bench.{task}")
        shape = {name: getattr(config, name) for name in TASKS[task].sizes}
        chosen = {"stock": asked.stock, "reproducible": asked.reproducible}
        contest = timed.contest(config, [name for name, wanted in chosen.items() if wanted])
        yield steps.report(task, shape, contest, asked.rounds)


def _alone(asked: Asked) -> Iterator[Mapping[str, Any]]:
    """Time the one variant that is asked for here, or each of several in a process of its own."""
    if asked.task == launch.PEAK:
        yield launch.peak(RunConfig(platform=asked.platform), asked.rounds)
        return
    if asked.task not in TASKS:
        raise UserError(
            f"--task={asked.task} compares forms that only a CPU has; expected --platform=cpu "
            "without --variants; drop them"
        )
    names = launch.chosen(asked.task, asked.variants or "all")
    fields = asked.fields(asked.task) | {"platform": asked.platform}
    configs = [launch.config_of(asked.task, name, fields) for name in names]
    if len(names) == 1:
        yield launch.step(asked.task, names[0], configs[0], asked.rounds)
    else:
        yield from _each(asked, names)


def _each(asked: Asked, names: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Time large matrix products and then every variant, each in a process of its own."""
    module = ["-m", "experiments.bench"]
    common = [*module, f"--platform={asked.platform}", f"--rounds={asked.rounds}"]
    sizes = [f"--{name}={size}" for name, size in asked.sizes.items()]
    task = [*common, f"--preset={asked.preset}", f"--task={asked.task}", *sizes]
    return launch.each(
        [[*common, f"--task={launch.PEAK}"], *([*task, f"--variants={name}"] for name in names)]
    )
