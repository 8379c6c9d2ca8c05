"""From arms to runs: the flags of each, its folder, and the order in which they are run."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence

from mrjax.study.plan import sources
from mrjax.study.plan.arms import Spec
from mrjax.study.plan.recipe import PAIRED
from mrjax.study.records import BASELINE, CROSSED, STUDY_DIR, Run, Study
from mrjax.tasks.registry import TASKS

_REPLICATE = "{r}"


def runs(asked: Study, spec: Spec) -> Iterator[Run]:
    """All runs of one arm, replicate by replicate."""
    if spec.arm.name == CROSSED:
        yield from _crossed(asked, spec)
        return
    requires = required_arm(spec)
    for replicate in range(asked.replicates):
        label = f"{replicate:03d}"
        yield Run(
            arm=spec.arm.name,
            label=label,
            replicate=replicate,
            factors={},
            argv=tuple(arguments(asked, spec, replicate)),
            workdir=f"runs/{spec.arm.name}/{label}",
            requires=f"runs/{requires}/000" if requires else "",
        )


def _crossed(asked: Study, spec: Spec) -> Iterator[Run]:
    """Every combination of the crossed factors."""
    for number, values in enumerate(itertools.product(*asked.cross.values())):
        factors = dict(zip(asked.cross, values, strict=True))
        label = ",".join(f"{name}={value}" for name, value in factors.items())
        yield Run(
            arm=spec.arm.name,
            label=label,
            replicate=number,
            factors=factors,
            argv=(*_common(asked, spec), *(f"--{k}={v}" for k, v in factors.items())),
            workdir=f"runs/{spec.arm.name}/{label}",
        )


def required_arm(spec: Spec) -> str:
    """Arm whose first replicate must be finished first; "" for none."""
    return spec.requires or (BASELINE if spec.arm.kind == "inference" else "")


def first_arguments(asked: Study, spec: Spec) -> list[str]:
    """Flags of the first run of an arm, whether or not it is ever run."""
    if spec.arm.name == CROSSED:
        return list(next(_crossed(asked, spec)).argv)
    return arguments(asked, spec, 0)


def arguments(asked: Study, spec: Spec, replicate: int) -> list[str]:
    """Flags of one run of an arm, without the run folder.

    ``{r}`` becomes the replicate counted from 1, so that a seed made of it is never 0, the
    default seed.

    Args:
        asked: the study, without its arms.
        spec: the arm, not a crossed one.
        replicate: counted from 0.
    """
    if spec.arm.kind == "inference":
        task = TASKS.get(asked.experiment)  # None: another program
        network = f"{STUDY_DIR}/runs/{BASELINE}/000{task.network if task else ''}"
        added = ["--steps=0", f"--from_run={network}", f"--repetition={_REPLICATE}"]
    else:
        added = [f"--{name}={_REPLICATE}" for name in PAIRED[asked.pairing]]
    own = {sources.flag_name(flag) for flag in spec.arm.flags}
    added = [flag for flag in added if sources.flag_name(flag) not in own]
    flags = [*_common(asked, spec), *added, *spec.arm.flags]
    return [flag.replace(_REPLICATE, str(replicate + 1)) for flag in flags]


def _common(asked: Study, spec: Spec) -> list[str]:
    """Flags of every run of the study: the platform, and the baseline's."""
    if spec.arm.command:
        return []  # the flags of another program are not ours
    given = {sources.flag_name(flag) for flag in (*asked.baseline, *spec.arm.flags)}
    ours = [] if asked.command or "platform" in given else [f"--platform={asked.platform}"]
    return [*ours, *asked.baseline]


def in_order(runs: Sequence[Run], seed: int) -> list[Run]:
    """The runs in random order, those that others wait for before all the rest.

    A machine warms up, and other people use it: if one arm were run after the other, that would
    look like an effect of the arms. The order of two runs does not depend on which others there
    are.
    """
    needed = {run.requires for run in runs}
    return sorted(runs, key=lambda run: (run.workdir not in needed, _draw(seed, run.workdir)))


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
