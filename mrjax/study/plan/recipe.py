"""What a study is made from, before anything is known about where it will run."""

import dataclasses
from collections.abc import Mapping

from mrjax.errors import UserError
from mrjax.study.plan import arms, sources
from mrjax.study.plan.arms import Spec, check_flag
from mrjax.study.records import BASELINE, CROSSED, INFER_BASELINE

PAIRED = {"seed": ("seed_init", "seed_order"), "repetition": ("repetition",)}
"""Flags that get the number of the replicate, by kind of pairing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a study is made from.

    Attributes: those of `mrjax.study.records.Study`, and
        arms: as asked for, without the baseline.
    """

    name: str
    experiment: str
    baseline: tuple[str, ...]
    arms: tuple[Spec, ...]
    replicates: int
    pairing: str
    cross: Mapping[str, tuple[int, ...]]
    seed: int
    platform: str
    metric: str
    margin: float
    margin_kind: str
    command: str


def check(recipe: Recipe) -> None:
    """Refuse what no arm in particular is to blame for.

    Raises:
        UserError: the recipe contradicts itself.
    """
    names = [spec.name for spec in recipe.arms]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UserError(
            f"two arms are named {min(repeated)}; expected one name an arm; rename one of them"
        )
    for flag in recipe.baseline:
        check_flag(flag)
    for command in (recipe.command, *(spec.command for spec in recipe.arms)):
        arms.words(command)
    paired = PAIRED[recipe.pairing] if recipe.replicates else ()
    both = set(paired) & {sources.flag_name(flag) for flag in recipe.baseline}
    if both:
        raise UserError(
            f"--baseline sets --{min(both)}, which --pairing={recipe.pairing} sets for each "
            "replicate; expected one of them; drop the flag or choose the other pairing"
        )
    if recipe.arms and recipe.replicates < 1:
        raise UserError("arms without replicates; expected at least 1; raise --replicates")
    if not recipe.replicates and not recipe.cross:
        raise UserError("neither replicates nor --cross; expected something to run; give one")


def all_specs(recipe: Recipe) -> list[Spec]:
    """Baseline, training arms, the inference arm to compare with, the others, the crossed arm."""

    def plain(name: str, source: str, kind: str = "training") -> Spec:
        return Spec(name=name, source=source, flags=(), kind=kind)

    training = [spec for spec in recipe.arms if spec.kind == "training"]
    inference = [spec for spec in recipe.arms if spec.kind == "inference"]
    return [
        plain(BASELINE, "baseline"),
        *training,
        *([plain(INFER_BASELINE, "baseline", "inference")] if inference else []),
        *inference,
        *([plain(CROSSED, CROSSED)] if recipe.cross else []),
    ]
