"""Time one training step of ours beside the same network in PyTorch.

    python -m experiments.bench --task=qsm
    python -m experiments.bench --task=varnet --width=24 --rows=160 --columns=160 --coils=8
    python -m experiments.bench --task=breast --rounds=5
    python -m experiments.bench --task=conv_forms
    python -m experiments.bench --task=planar_forms

A task prints one JSON line: median seconds of a step of ours (`ours_s`),
of PyTorch (`peer_s`), of ours with XLA's own convolutions (`stock_s`) and, with
--numerics=reproducible, of ours in order-free arithmetic (`reproducible_s`); `ratio` = ours / peer,
and the same from minima (`ratio_of_minima`); all medians and minima by name, and for each step of
ours the seconds of its compilation and the memory besides its arguments. For the U-Nets the
peer is eager PyTorch in the better of two memory layouts; for the variational network it is the
public code's form, and a tuned form is timed beside it; for the end-to-end one it is the module of
the package fastmri, or our twin where that is not installed. Sizes that are not given are those of
the task's preset demo. All take turns, so that whatever else the machine does falls on all of them.
On a busy machine none is trustworthy: PyTorch's threads wait for each other in a loop and lose far
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

import sys

from absl import flags

from mrjax import command
from mrjax.speed import bench, launch
from mrjax.speed.variants import VARIANTS
from mrjax.tasks.registry import TASKS

SIZES = {
    "width": "features of the first level, or filters",
    "levels": "poolings",
    "window": "edge of the convolution window",
    "patch": "edge of a patch [voxels]",
    "batch_size": "examples in a batch",
    "stages": "gradient steps of the variational network",
    "cascades": "cascades of the end-to-end variational network",
    "sens_width": "features of the first level of its sensitivity network",
    "sens_levels": "poolings of its sensitivity network",
    "rows": "rows of an image",
    "columns": "columns of an image",
    "coils": "receive coils",
}

FLAGS = flags.FlagValues()
flags.DEFINE_enum(
    "task", next(iter(TASKS)), [*TASKS, launch.PEAK, *bench.FORMS], "what is timed", FLAGS
)
flags.DEFINE_enum("platform", "cpu", ["cpu", "gpu"], "kind of device", FLAGS)
flags.DEFINE_enum("preset", "demo", ["demo", "tiny", "paper"], "gives the sizes not given", FLAGS)
flags.DEFINE_string(
    "variants",
    "",
    f"steps to time, each in a process of its own: all, or some of {', '.join(VARIANTS)}; "
    "default: all on a GPU",
    FLAGS,
)
flags.DEFINE_integer(
    "rounds", 15, "timed steps of each, after two to warm up", flag_values=FLAGS, lower_bound=1
)
flags.DEFINE_integer("threads", 2, "threads of both frameworks", flag_values=FLAGS, lower_bound=1)
flags.DEFINE_boolean("stock", True, "also time the step with XLA's own convolutions", FLAGS)
flags.DEFINE_enum(
    "numerics",
    "native",
    ["native", "reproducible"],
    "reproducible: also time the order-free step",
    FLAGS,
)
for _name, _help in SIZES.items():
    flags.DEFINE_integer(
        _name, None, f"{_help}; default: the preset's", flag_values=FLAGS, lower_bound=1
    )


def act(values: flags.FlagValues) -> int:
    """Time what the flags ask for; return the exit code."""
    given = {name: values[name].value for name in SIZES}
    asked = bench.Asked(
        task=values.task,
        platform=values.platform,
        preset=values.preset,
        variants=values.variants,
        rounds=values.rounds,
        threads=values.threads,
        stock=values.stock,
        reproducible=values.numerics == "reproducible",
        sizes={name: size for name, size in given.items() if size is not None},
    )
    return bench.run(asked)


if __name__ == "__main__" and command.alone("experiments.bench"):
    command.tool(FLAGS, act, __doc__, sys.argv[1:])
