"""Which source of variation an arm of a study changes, and where it changes nothing."""

from collections.abc import Sequence

from mrjax.config import sources as table
from mrjax.config.sources import FLAGS, OTHER, SOURCE_OF, Flag
from mrjax.errors import UserError

SOURCES = (*table.SOURCES, OTHER)
"""Names of all sources; the first six are the paper's, in its order."""


def flag_name(flag: str) -> str:
    """Name in ``--name=value``, ``--name`` or ``--noname``."""
    name = flag.lstrip("-").partition("=")[0]
    negated = name.removeprefix("no")
    return negated if "=" not in flag and negated in FLAGS else name


def source(flag: str) -> str:
    """Name of the source that a flag changes."""
    return SOURCE_OF.get(flag_name(flag), OTHER)


def _held(flag: str) -> bool:
    """Whether a flag holds a draw fixed: whether it is a seed, equal in every replicate."""
    seeds = (n for d in table.DRAWS for n in table.SOURCES[d].flags if n.startswith("seed_"))
    return flag_name(flag) in seeds and "{r}" not in flag


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
    return list(dict.fromkeys([*more, *(source(flag) for flag in changing)]))


def check_source(name: str, flags: Sequence[str], more: Sequence[str] = ()) -> None:
    """Refuse a source that does not exist, or that an arm cannot mean.

    An arm of several sources may be called after one of them, or after none ("other"). Under
    another name it would be judged as what it is not: a level, for example, as a draw.

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
    known = [one for one in _told(flags, more) if one != OTHER]
    if known and name not in (OTHER, *more, *(source(flag) for flag in flags)):
        raise UserError(
            f"it is called [{name}] and changes {', '.join(known)}; expected one of the sources "
            f"that it changes; leave [{name}] out, or write [other]"
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
    framework = "pytorch" if torch else "jax"
    heeded = [flag for flag in flags if framework in _place(flag).frameworks]
    if flags and not heeded:
        return "no effect in PyTorch" if torch else "no effect in JAX"
    left = [flag for flag in heeded if not (inference and _place(flag).training)]
    if flags and not left:
        return "no effect in inference"
    if not flags or any(platform in _place(flag).platforms for flag in left):
        return ""
    return f"no effect on a {platform}"


def _place(flag: str) -> Flag:
    """Where a flag has an effect."""
    return FLAGS.get(flag_name(flag), Flag())
