"""Time one training step of ours beside the same network in PyTorch.

    python -m experiments.bench --task=qsm
    python -m experiments.bench --task=varnet --width=24 --rows=160 --columns=160 --coils=8
    python -m experiments.bench --task=breast --rounds=5
    python -m experiments.bench --task=conv_forms
    python -m experiments.bench --task=planar_forms

The tasks qsm, varnet and breast print one JSON line: median seconds of a step of ours (`ours_s`),
of PyTorch (`peer_s`), of ours with XLA's own convolutions (`stock_s`) and, with
--numerics=reproducible, of ours in order-free arithmetic (`reproducible_s`); `ratio` = ours / peer,
and the same from minima (`ratio_of_minima`); all medians and minima by name, and for each step of
ours the seconds of its compilation and the memory besides its arguments. For the U-Nets the
peer is eager PyTorch in the better of two memory layouts; for the variational network it is the
public code's form, and a tuned form is timed beside it. Sizes that are not given are those of the
task's preset demo. All take turns, so that whatever else the machine does falls on all of them. On
a busy machine none is trustworthy: PyTorch's threads wait for each other in a loop and lose far
more than their share.

    python -m experiments.bench --platform=gpu --task=qsm --preset=paper
    python -m experiments.bench --platform=gpu --task=varnet --variants=jax_tf32,pytorch_tf32

On a GPU, or with --variants, every variant of the step has a process of its own and a line of its
own: framework, number type, level; median and minimum seconds of a step that is waited for, seconds
of its compilation, peak of memory, and the share of the rate that large matrix products reach on
the same device (--task=peak times these alone).

The tasks conv_forms (3-D) and planar_forms (2-D) print one JSON line per convolution: milliseconds
of every form, and which are chosen.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from absl import app, flags

from mrjax import backend, command
from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError
from mrjax.pytorch import startup
from mrjax.speed import launch
from mrjax.speed.variants import VARIANTS
from mrjax.tasks import registry
from mrjax.tasks.registry import TASKS

FIRST = next(iter(TASKS))
HELP = {
    "width": "features of the first level, or filters",
    "levels": "poolings",
    "window": "edge of the convolution window",
    "patch": "edge of a patch [voxels]",
    "batch_size": "examples in a batch",
    "stages": "gradient steps of the variational network",
    "rows": "rows of an image",
    "columns": "columns of an image",
    "coils": "receive coils",
}

FLAGS = flags.FLAGS
flags.DEFINE_enum(
    "task", FIRST, [*TASKS, launch.PEAK, "conv_forms", "planar_forms"], "what is timed"
)
flags.DEFINE_enum("platform", "cpu", ["cpu", "gpu"], "kind of device")
flags.DEFINE_enum("preset", "demo", ["demo", "tiny", "paper"], "gives the sizes not given")
flags.DEFINE_string(
    "variants",
    "",
    f"steps to time, each in a process of its own: all, or some of {', '.join(VARIANTS)}; "
    "default: all on a GPU",
)
flags.DEFINE_integer("rounds", 15, "timed steps of each, after two to warm up", lower_bound=1)
flags.DEFINE_integer("threads", 2, "threads of both frameworks", lower_bound=1)
flags.DEFINE_boolean("stock", True, "also time the step with XLA's own convolutions")
flags.DEFINE_enum(
    "numerics", "native", ["native", "reproducible"], "reproducible: also time the order-free step"
)
for _name, _help in HELP.items():
    flags.DEFINE_integer(_name, None, f"{_help}; default: the preset's", lower_bound=1)


def fields_of(task: str, preset: str, given: dict[str, int]) -> dict[str, Any]:
    """Return the fields of the configuration whose step is timed.

    Args:
        task: with a training step.
        preset: gives the sizes that are not given.
        given: sizes.

    Raises:
        UserError: a size that the task does not have.
    """
    one = TASKS[task]
    strange = sorted(given.keys() - set(one.sizes))
    if strange:
        raise UserError(
            f"--{strange[0]} has no effect on a step of {task}; expected some of "
            f"--{', --'.join(one.sizes)}; drop it"
        )
    config_class, presets = registry.program(task)
    fields = {**presets[preset], **given}
    for name, (other, least) in one.grows.items():
        fields[name] = max(least, fields.get(other, getattr(config_class, other)))
    return fields


def config_of(task: str, preset: str, given: dict[str, int], threads: int) -> RunConfig:
    """Return the checked configuration whose step is timed on this CPU, see `fields_of`."""
    cpu = {"platform": "cpu", "cpu_threads": threads}
    return launch.config_of(task, "jax_float32", {**fields_of(task, preset, given), **cpu})


def records(task: str, config: RunConfig) -> Iterator[dict]:
    """Time what was asked for, record by record."""
    import torch

    from mrjax.pytorch.bench import forms, steps

    torch.set_num_threads(FLAGS.threads)
    if task == "planar_forms":
        yield from forms.planar_forms(FLAGS.rounds)
    elif task == "conv_forms":
        yield from forms.volume_forms(config, FLAGS.rounds)
    else:
        timed = importlib.import_module(f"mrjax.pytorch.bench.{task}")
        shape = {name: getattr(config, name) for name in TASKS[task].sizes}
        reproducible = FLAGS.numerics == "reproducible"
        chosen = {"stock": FLAGS.stock, "reproducible": reproducible}
        contest = timed.contest(config, [name for name, wanted in chosen.items() if wanted])
        yield steps.report(task, shape, contest, FLAGS.rounds)


def parse(argv: list[str]) -> list[str]:
    """Parse the command line; a mistake is one line on stderr and exit code 2."""
    try:
        rest = command.parsed(FLAGS, argv[1:])
    except UserError as error:
        return _refuse(error)
    if rest:
        return _refuse(f"unknown argument {rest[0]}; expected flags only; write --flag=value")
    return argv[:1]


def _refuse(message: object) -> NoReturn:
    print("error: " + " ".join(str(message).split()), file=sys.stderr)
    sys.exit(2)


def main(_: list[str]) -> None:
    """Time what was asked for and print JSON lines."""
    values = {name: FLAGS[name].value for name in HELP}
    given = {name: value for name, value in values.items() if value is not None}
    try:
        alone = FLAGS.task == launch.PEAK or FLAGS.platform == "gpu" or FLAGS.variants
        sys.exit(_variants(given) if alone else _contest(given))
    except UserError as error:
        _refuse(error)
    except RunFailed as error:
        sys.exit(f"error: {error}")


def _contest(given: dict[str, int]) -> int:
    """Both frameworks in turns, in this process."""
    task = FLAGS.task
    config = config_of(task if task in TASKS else FIRST, FLAGS.preset, given, FLAGS.threads)
    startup.require_torch()
    backend.reexec(config)
    for record in records(task, config):
        print(json.dumps(record), flush=True)
    return 0


def _variants(given: dict[str, int]) -> int:
    """One variant here, or each of several in a process of its own."""
    task = FLAGS.task
    if task == launch.PEAK:
        config = RunConfig(platform=FLAGS.platform)
        print(json.dumps(launch.peak(config, FLAGS.rounds)))
        return 0
    if task not in TASKS:
        raise UserError(
            f"--task={task} compares forms that only a CPU has; expected --platform=cpu without "
            "--variants; drop them"
        )
    names = launch.chosen(task, FLAGS.variants or "all")
    fields = fields_of(task, FLAGS.preset, given) | {"platform": FLAGS.platform}
    configs = [launch.config_of(task, name, fields) for name in names]
    if len(names) == 1:
        print(json.dumps(launch.step(task, names[0], configs[0], FLAGS.rounds)))
        return 0
    return _each(task, names, given)


def _each(task: str, names: list[str], given: dict[str, int]) -> int:
    """Print a line as soon as it is known; a variant that fails has one too, and code 1."""
    common = ["-m", "experiments.bench", f"--platform={FLAGS.platform}", f"--rounds={FLAGS.rounds}"]
    sizes = [f"--preset={FLAGS.preset}", *(f"--{name}={size}" for name, size in given.items())]
    commands = [[*common, f"--task={task}", f"--variants={name}", *sizes] for name in names]
    code = 0
    for record in launch.each([[*common, f"--task={launch.PEAK}"], *commands]):
        code = 1 if "error" in record else code
        print(json.dumps(record), flush=True)
    return code


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
