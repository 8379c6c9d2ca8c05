"""Sources of variation: their names, the flags that change them, and where the flags act.

Oh, Jung and Lee (2022, Fig. 1) have the first six. The others are further candidates that they
name, and settings that replace another device model on a CPU. Every other list of sources, or of
the flags of a source, is derived from this table.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

BOTH = ("cpu", "gpu")
CPU, GPU = ("cpu",), ("gpu",)
JAX, PYTORCH = ("jax",), ("pytorch",)
EITHER = (*JAX, *PYTORCH)


class Flag(NamedTuple):
    """Where a flag has an effect.

    Attributes:
        platforms: kinds of device on which the flag has an effect.
        frameworks: frameworks in which it has an effect.
        training: whether it affects training only, and not inference with a trained network.
        default: default value of a flag that only one framework has.
    """

    platforms: tuple[str, ...] = BOTH
    frameworks: tuple[str, ...] = EITHER
    training: bool = False
    default: Any = None


class Source(NamedTuple):
    """A source of variation.

    Attributes:
        words: name of the source in the field's terms.
        flags: the flags that change the source.
        draw: whether the values of the source are random draws, of which only the spread means
            something, and not levels, whose means can be compared.
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
"""Name for changes that belong to no source above.

The flag --init is an example: another rule for initial weights is a level, whose effect can be
tested, while the source "init" is the draw of a seed.
"""

FLAGS: Mapping[str, Flag] = {n: f for s in SOURCES.values() for n, f in s.flags.items()}
"""Name of a flag -> where it has an effect; a flag that is absent has an effect everywhere."""
SOURCE_OF: Mapping[str, str] = {n: name for name, s in SOURCES.items() for n in s.flags}
"""Name of a flag -> its source."""
DRAWS = tuple(name for name, source in SOURCES.items() if source.draw)
"""The sources whose values are random draws."""


def only(framework: tuple[str, ...]) -> tuple[str, ...]:
    """Return the flags that have an effect in one framework only, `JAX` or `PYTORCH`."""
    return tuple(name for name, flag in FLAGS.items() if flag.frameworks == framework)


def without_effect(platform: str, framework: str) -> tuple[str, ...]:
    """Return the flags of a framework that have no effect on this kind of device.

    Args:
        platform: ``cpu`` or ``gpu``.
        framework: ``jax`` or ``pytorch``.
    """
    heeded = {name: flag for name, flag in FLAGS.items() if framework in flag.frameworks}
    return tuple(name for name, flag in heeded.items() if platform not in flag.platforms)
