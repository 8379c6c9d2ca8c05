"""Time one training step of ours beside the same network in PyTorch, on this CPU.

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

The tasks conv_forms (3-D) and planar_forms (2-D) print one JSON line per convolution: milliseconds
of every form, and which are chosen.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from typing import NoReturn

from absl import app, flags

from mrjax import backend, command
from mrjax.baseline import startup
from mrjax.config import RunConfig
from mrjax.errors import UserError

SIZES = {
    "qsm": ("width", "levels", "window", "patch", "batch_size"),
    "varnet": ("width", "stages", "rows", "columns", "coils", "batch_size"),
    "breast": ("width", "levels", "rows", "columns", "batch_size"),
}
"""What determines the work of a step."""

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
flags.DEFINE_enum("task", "qsm", [*SIZES, "conv_forms", "planar_forms"], "what is timed")
flags.DEFINE_integer("rounds", 15, "timed steps of each, after two to warm up", lower_bound=1)
flags.DEFINE_integer("threads", 2, "threads of both frameworks", lower_bound=1)
flags.DEFINE_boolean("stock", True, "also time the step with XLA's own convolutions")
flags.DEFINE_enum(
    "numerics", "native", ["native", "reproducible"], "reproducible: also time the order-free step"
)
for _name, _help in HELP.items():
    flags.DEFINE_integer(_name, None, f"{_help}; default: preset demo's", lower_bound=1)


def config_of(task: str, given: dict[str, int], threads: int) -> RunConfig:
    """Return the configuration whose step is timed.

    Args:
        task: with a training step.
        given: sizes that differ from those of the preset demo.
        threads: of the CPU.

    Returns:
        Checked.

    Raises:
        UserError: a size that the task does not have, or sizes that do not go together.
    """
    strange = sorted(given.keys() - set(SIZES[task]))
    if strange:
        raise UserError(
            f"--{strange[0]} has no effect on a step of {task}; expected some of "
            f"--{', --'.join(SIZES[task])}; drop it"
        )
    module = importlib.import_module(f"mrjax.tasks.{task}.config")
    sizes = module.PRESETS["demo"] | given
    if task == "qsm":
        sizes |= {"patch": module.Config.patch} | given
        sizes["volume"] = max(8, sizes["patch"])
    if task == "breast":
        sizes["fold"] = 0
    config = module.Config(**sizes, platform="cpu", cpu_threads=threads)
    config.check()
    if task == "breast" and (config.rows % config.multiple or config.columns % config.multiple):
        raise UserError(
            f"--rows={config.rows} --columns={config.columns}: expected multiples of "
            f"{config.multiple} for {config.levels} poolings; change them"
        )
    return config


def records(task: str, config: RunConfig) -> Iterator[dict]:
    """Time what was asked for, record by record."""
    import torch

    from mrjax.baseline.bench import forms, steps
    from mrjax.tasks.qsm.config import Config

    torch.set_num_threads(FLAGS.threads)
    if task == "planar_forms":
        yield from forms.planar_forms(FLAGS.rounds)
    elif task == "conv_forms":
        assert isinstance(config, Config)
        yield from forms.volume_forms(config, FLAGS.rounds)
    else:
        timed = importlib.import_module(f"mrjax.baseline.bench.{task}")
        shape = {name: getattr(config, name) for name in SIZES[task]}
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
    task = FLAGS.task
    try:
        config = config_of(task if task in SIZES else "qsm", given, FLAGS.threads)
        startup.require_torch()
        backend.reexec(config)
    except UserError as error:
        _refuse(error)
    for record in records(task, config):
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
