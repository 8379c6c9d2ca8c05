"""What a study is made from, before anything is known about where it will run.

A recipe is a `Study` that has no arms yet, and the arms that are asked for besides its baseline.
"""

from collections.abc import Sequence

from mrjax.errors import UserError
from mrjax.study.plan import arms, sources
from mrjax.study.plan.arms import Spec, check_flag
from mrjax.study.records import BASELINE, CROSSED, INFER_BASELINE, Arm, Study

PAIRED = {"seed": ("seed_init", "seed_order"), "repetition": ("repetition",)}
"""Flags that get the number of the replicate, by kind of pairing."""


def check(asked: Study, specs: Sequence[Spec]) -> None:
    """Check the recipe as a whole.

    Args:
        asked: the study, without its arms.
        specs: its arms, without the baseline.

    Raises:
        UserError: the recipe contradicts itself.
    """
    names = [spec.arm.name for spec in specs]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UserError(
            f"two arms are named {min(repeated)}; expected a different name for each arm; rename "
            "one of them"
        )
    for flag in asked.baseline:
        check_flag(flag)
    for command in (asked.command, *(spec.arm.command for spec in specs)):
        arms.words(command)
    paired = PAIRED[asked.pairing] if asked.replicates else ()
    both = set(paired) & {sources.flag_name(flag) for flag in asked.baseline}
    if both:
        raise UserError(
            f"--baseline sets --{min(both)}, which --pairing={asked.pairing} sets for each "
            "replicate; expected one of them; drop the flag or choose the other pairing"
        )
    if specs and asked.replicates < 1:
        raise UserError("arms without replicates; expected at least 1; raise --replicates")
    if not asked.replicates and not asked.cross:
        raise UserError("neither replicates nor --cross; expected something to run; give one")


def all_specs(asked: Study, specs: Sequence[Spec]) -> list[Spec]:
    """Baseline, training arms, the inference arm to compare with, the others, the crossed arm."""

    def plain(name: str, source: str, kind: str = "training") -> Spec:
        return Spec(Arm(name=name, source=source, flags=(), kind=kind))

    training = [spec for spec in specs if spec.arm.kind == "training"]
    inference = [spec for spec in specs if spec.arm.kind == "inference"]
    return [
        plain(BASELINE, "baseline"),
        *training,
        *([plain(INFER_BASELINE, "baseline", "inference")] if inference else []),
        *inference,
        *([plain(CROSSED, CROSSED)] if asked.cross else []),
    ]
