"""Sources of variation, and which flag belongs to which.

Six are those of Oh, Jung and Lee (2022, Fig. 1); the others are what they name as further
candidates, and what stands in for a device model on a CPU.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mrjax.errors import UserError

SOURCES = (
    "device",
    "autotune",
    "deterministic",
    "dtype",
    "order",
    "init",
    "framework",
    "software",
    "threads",
    "isa",
    "devices",
    "precision",
    "numerics",
    "conv_form",
    "repetition",
    "other",
)
"""Names of all sources; the first six are the paper's, in its order."""

_BOTH = ("cpu", "gpu")


class Effect(NamedTuple):
    """What a flag does.

    Attributes:
        source: that it changes.
        platforms: on which it changes anything.
    """

    source: str
    platforms: tuple[str, ...]


FLAGS = {
    "platform": Effect("device", _BOTH),
    "device_index": Effect("device", ("gpu",)),
    "xla_autotune": Effect("autotune", ("gpu",)),
    "xla_autotune_file": Effect("autotune", ("gpu",)),
    "cudnn_benchmark": Effect("autotune", ("gpu",)),
    "xla_deterministic": Effect("deterministic", ("gpu",)),
    "cudnn_deterministic": Effect("deterministic", ("gpu",)),
    "deterministic_algorithms": Effect("deterministic", _BOTH),
    "dtype": Effect("dtype", _BOTH),
    "seed_order": Effect("order", _BOTH),
    "seed_init": Effect("init", _BOTH),
    "cpu_threads": Effect("threads", ("cpu",)),
    "xla_cpu_isa": Effect("isa", ("cpu",)),
    "devices": Effect("devices", _BOTH),
    "matmul_precision": Effect("precision", ("gpu",)),
    "numerics": Effect("numerics", _BOTH),
    "conv_form": Effect("conv_form", ("cpu",)),
    "channels_last": Effect("conv_form", _BOTH),
    "repetition": Effect("repetition", _BOTH),
}
"""Flag -> what it does; flags that are not here are of the source "other", on every platform.

--init is one of these: another rule for initial weights is a level, whose effect can be tested,
while the source "init" is the draw of a seed.
"""

_OTHER = Effect("other", _BOTH)
_JAX_ONLY = (
    "xla_deterministic", "xla_autotune", "xla_autotune_file", "xla_cpu_isa", "conv_form",
)  # fmt: skip
_TRAINING_ONLY = ("seed_init", "seed_order")


def flag_name(flag: str) -> str:
    """Name in ``--name=value``, ``--name`` or ``--noname``."""
    name = flag.lstrip("-").partition("=")[0]
    negated = name.removeprefix("no")
    return negated if "=" not in flag and negated in FLAGS else name


def effect(flag: str) -> Effect:
    """What a flag does."""
    return FLAGS.get(flag_name(flag), _OTHER)


def _held(flag: str) -> bool:
    """Whether a flag holds a draw fixed: a seed that is the same in every replicate."""
    return flag_name(flag) in ("seed_init", "seed_order") and "{r}" not in flag


def source_of(flags: Sequence[str], more: Sequence[str] = ()) -> str:
    """The one source that an arm changes.

    Seeds held fixed beside other flags do not count: they only take a draw out of the comparison.

    Args:
        flags: ``--name=value`` each.
        more: sources known to change besides; at least one flag or one of these.

    Raises:
        UserError: they change several.
    """
    found = _told(flags, more)
    if len(found) > 1:
        raise UserError(
            f"it changes {len(found)} sources ({', '.join(found)}); expected one source an "
            f'arm; split it, or say which is meant: "name [{found[0]}]: ..."'
        )
    return found[0]


def _told(flags: Sequence[str], more: Sequence[str]) -> list[str]:
    changing = [flag for flag in flags if not _held(flag)] or flags
    return list(dict.fromkeys([*more, *(effect(flag).source for flag in changing)]))


def check_source(name: str, flags: Sequence[str], more: Sequence[str] = ()) -> None:
    """Refuse a source that does not exist, or that an arm cannot mean.

    An arm of several sources may be called after one of them, or after none ("other"); under
    another name it would be judged as what it is not, such as a level as a draw.

    Args:
        name: of the source.
        flags: of the arm, as in `source_of`.
        more: likewise.

    Raises:
        UserError: it does not exist, or the flags change others.
    """
    if name not in SOURCES:
        raise UserError(
            f"unknown source {name!r}; expected one of {', '.join(SOURCES)}; see --help"
        )
    known = [source for source in _told(flags, more) if source != "other"]
    if known and name not in ("other", *more, *(effect(flag).source for flag in flags)):
        raise UserError(
            f"it is called [{name}] and changes {', '.join(known)}; expected a source that it "
            f"changes; leave [{name}] out, or write [other]"
        )


def without_effect(
    flags: Sequence[str], platform: str, *, torch: bool = False, inference: bool = False
) -> str:
    """Why the flags of an arm change nothing where it runs; "" if one may change something.

    Args:
        flags: of the arm, ``--name=value`` each.
        platform: "cpu" or "gpu".
        torch: whether the arm runs in PyTorch.
        inference: whether it trains nothing.
    """
    idle = {"PyTorch": _JAX_ONLY if torch else (), "inference": _TRAINING_ONLY if inference else ()}
    left = list(flags)
    for where, names in idle.items():
        left = [flag for flag in left if flag_name(flag) not in names]
        if flags and not left:
            return f"no effect in {where}"
    if not flags or any(platform in effect(flag).platforms for flag in left):
        return ""
    return f"no effect on a {platform}"
