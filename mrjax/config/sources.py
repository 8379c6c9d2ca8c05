"""Sources of variation: what each is called, which flags change it, and where they do.

The first six are those of Oh, Jung and Lee (2022, Fig. 1); the others are what they name as
further candidates, and what stands in for a device model on a CPU. Everything else that lists
sources, or flags that belong to one, derives from this table.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

BOTH = ("cpu", "gpu")
CPU, GPU = ("cpu",), ("gpu",)
JAX, PYTORCH = ("jax",), ("pytorch",)
EITHER = (*JAX, *PYTORCH)


class Flag(NamedTuple):
    """Where a flag changes anything.

    Attributes:
        platforms: kinds of device.
        frameworks: that heed it.
        training: whether inference with a trained network does not.
        default: its value, for a flag that one framework alone has.
    """

    platforms: tuple[str, ...] = BOTH
    frameworks: tuple[str, ...] = EITHER
    training: bool = False
    default: Any = None


class Source(NamedTuple):
    """A source of variation.

    Attributes:
        words: its name in the field's words.
        flags: that change it.
        draw: whether its values are draws, of which only the spread means anything, and not
            levels, whose means can be compared.
    """

    words: str
    flags: Mapping[str, Flag] = {}
    draw: bool = False


SOURCES: Mapping[str, Source] = {
    "device": Source("device model", {"platform": Flag(), "device_index": Flag(GPU)}),
    "autotune": Source(
        "kernel autotuning",
        {
            "xla_autotune": Flag(GPU, JAX, default="auto"),
            "xla_autotune_file": Flag(GPU, JAX, default=""),
            "cudnn_benchmark": Flag(GPU, PYTORCH, default=False),
        },
    ),
    "deterministic": Source(
        "deterministic kernels",
        {
            "xla_deterministic": Flag(GPU, JAX, default=False),
            "cudnn_deterministic": Flag(GPU, PYTORCH, default=False),
            "deterministic_algorithms": Flag(BOTH, PYTORCH, default=False),
        },
    ),
    "dtype": Source("data type", {"dtype": Flag()}),
    "order": Source("mini-batch order", {"seed_order": Flag(training=True)}, draw=True),
    "init": Source("weight initialisation", {"seed_init": Flag(training=True)}, draw=True),
    "framework": Source("framework"),
    "software": Source("software version"),
    "threads": Source("CPU threads", {"cpu_threads": Flag(CPU)}),
    "isa": Source("CPU instruction set", {"xla_cpu_isa": Flag(CPU, JAX, default="")}),
    "devices": Source("number of devices", {"devices": Flag()}),
    "precision": Source("product precision", {"matmul_precision": Flag(GPU)}),
    "numerics": Source("reproducible arithmetic", {"numerics": Flag()}),
    "conv_form": Source(
        "convolution form",
        {
            "conv_form": Flag(CPU, JAX, default="auto"),
            "channels_last": Flag(BOTH, PYTORCH, default=False),
        },
    ),
    "ulp": Source("one initial weight by one ulp", {"perturb_init": Flag(training=True)}),
    "repetition": Source("nothing (repetition)", {"repetition": Flag()}, draw=True),
}
"""Name -> source, in the order of reports."""
OTHER = "other"
"""Name of what no source above changes.

--init is of this kind: another rule for initial weights is a level, whose effect can be tested,
while the source "init" is the draw of a seed.
"""

FLAGS: Mapping[str, Flag] = {n: f for s in SOURCES.values() for n, f in s.flags.items()}
"""Name of a flag -> where it changes anything; a flag that is not here does everywhere."""
SOURCE_OF: Mapping[str, str] = {n: name for name, s in SOURCES.items() for n in s.flags}
"""Name of a flag -> its source."""
DRAWS = tuple(name for name, source in SOURCES.items() if source.draw)
"""Sources whose values are draws."""


def only(framework: tuple[str, ...]) -> tuple[str, ...]:
    """Return the flags that one framework alone heeds, `JAX` or `PYTORCH`."""
    return tuple(name for name, flag in FLAGS.items() if flag.frameworks == framework)


def without_effect(platform: str, framework: str) -> tuple[str, ...]:
    """Return the flags that a framework heeds, but not on this kind of device.

    Args:
        platform: ``cpu`` or ``gpu``.
        framework: ``jax`` or ``pytorch``.
    """
    heeded = {name: flag for name, flag in FLAGS.items() if framework in flag.frameworks}
    return tuple(name for name, flag in heeded.items() if platform not in flag.platforms)
