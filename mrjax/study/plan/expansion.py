"""From arms to runs: the flags of each, its folder, and the order in which they are run."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence

from mrjax.study.plan import sources
from mrjax.study.plan.arms import Spec
from mrjax.study.plan.recipe import PAIRED, Recipe
from mrjax.study.records import BASELINE, CROSSED, STUDY_DIR, Run
from mrjax.tasks.registry import TASKS

_REPLICATE = "{r}"


def runs(recipe: Recipe, spec: Spec) -> Iterator[Run]:
    """All runs of one arm of a recipe, replicate by replicate."""
    if spec.name == CROSSED:
        yield from _crossed(recipe, spec)
        return
    requires = required_arm(spec)
    for replicate in range(recipe.replicates):
        label = f"{replicate:03d}"
        yield Run(
            arm=spec.name,
            label=label,
            replicate=replicate,
            factors={},
            argv=tuple(arguments(recipe, spec, replicate)),
            workdir=f"runs/{spec.name}/{label}",
            requires=f"runs/{requires}/000" if requires else "",
        )


def _crossed(recipe: Recipe, spec: Spec) -> Iterator[Run]:
    """Every combination of the crossed factors."""
    for number, values in enumerate(itertools.product(*recipe.cross.values())):
        factors = dict(zip(recipe.cross, values, strict=True))
        label = ",".join(f"{name}={value}" for name, value in factors.items())
        yield Run(
            arm=spec.name,
            label=label,
            replicate=number,
            factors=factors,
            argv=(*_common(recipe, spec), *(f"--{k}={v}" for k, v in factors.items())),
            workdir=f"runs/{spec.name}/{label}",
        )


def required_arm(spec: Spec) -> str:
    """Arm whose first replicate must be finished first; "" for none."""
    return spec.requires or (BASELINE if spec.kind == "inference" else "")


def first_arguments(recipe: Recipe, spec: Spec) -> list[str]:
    """Flags of the first run of an arm, whether or not it is ever run."""
    if spec.name == CROSSED:
        return list(next(_crossed(recipe, spec)).argv)
    return arguments(recipe, spec, 0)


def arguments(recipe: Recipe, spec: Spec, replicate: int) -> list[str]:
    """Flags of one run of an arm, without the run folder.

    ``{r}`` becomes the replicate counted from 1, so that a seed of it never equals the default
    seed 0 of another pairing.

    Args:
        recipe: of the study.
        spec: the arm, not a crossed one.
        replicate: counted from 0.
    """
    if spec.kind == "inference":
        task = TASKS.get(recipe.experiment)  # None: another program
        network = f"{STUDY_DIR}/runs/{BASELINE}/000{task.network if task else ''}"
        added = ["--steps=0", f"--from_run={network}", f"--repetition={_REPLICATE}"]
    else:
        added = [f"--{name}={_REPLICATE}" for name in PAIRED[recipe.pairing]]
    own = {sources.flag_name(flag) for flag in spec.flags}
    added = [flag for flag in added if sources.flag_name(flag) not in own]
    flags = [*_common(recipe, spec), *added, *spec.flags]
    return [flag.replace(_REPLICATE, str(replicate + 1)) for flag in flags]


def _common(recipe: Recipe, spec: Spec) -> list[str]:
    """Flags of every run of the study: the platform, and the baseline's."""
    if spec.command:
        return []  # another program has flags of its own
    given = {sources.flag_name(flag) for flag in (*recipe.baseline, *spec.flags)}
    ours = [] if recipe.command or "platform" in given else [f"--platform={recipe.platform}"]
    return [*ours, *recipe.baseline]


def in_order(runs: Sequence[Run], seed: int) -> list[Run]:
    """The runs in random order, those that others wait for before all the rest.

    The machine warms up, and other people use it: with arms in turn that would look like an
    effect of the arm. The order of two runs does not depend on which others there are.
    """
    needed = {run.requires for run in runs}
    return sorted(runs, key=lambda run: (run.workdir not in needed, _draw(seed, run.workdir)))


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
