"""The action ``plan``: from flags to the plan of a study on disk."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl.flags import FlagValues

from mrjax import command
from mrjax import config as configs
from mrjax.errors import UserError
from mrjax.study import directory, overview
from mrjax.study.plan import arms, design, machine, options
from mrjax.study.records import Study
from mrjax.tasks import registry
from mrjax.tasks.registry import TASKS


def plan(study_dir: Path, asked: FlagValues) -> int:
    """Check every flag, and write what is to be run.

    Args:
        study_dir: the study.
        asked: all flags.

    Raises:
        UserError: the recipe contradicts itself or cannot be meant, or the directory cannot be
            written or holds runs of another plan.
    """
    here = machine.here()
    wanted = [arms.parse(text, "training") for text in asked.arm]
    wanted += [arms.parse(text, "inference") for text in asked.infer_arm]
    recipe = _recipe(study_dir, asked, "gpu" if here.gpus and here.gpu_software else "cpu")
    settings = None if recipe.command else _settings
    study, runs = design.plan(recipe, wanted, settings, None if asked.elsewhere else here)
    new = directory.save(study_dir, study, runs)
    there = "" if new else " (planned already)"
    sys.stdout.write(f"{overview.planned(study, runs)}\n{len(runs)} runs in {study_dir}{there}\n")
    return 0


def _recipe(study_dir: Path, asked: FlagValues, found: str) -> Study:
    """The study on the command line, without its arms.

    Args:
        study_dir: gives the study its name where there is no --name.
        asked: all flags.
        found: kind of device that this machine has.
    """
    baseline, keys = arms.split(arms.unquoted(asked.baseline))
    if keys:
        raise UserError(f"--baseline sets {min(keys)}=; expected flags alone; make it an arm")
    given = [flag.partition("=")[2] for flag in baseline if flag.startswith("--platform=")]
    platform = [asked.platform, *given][-1]
    cross = options.cross(asked.cross)
    default = 0 if cross and not (asked.arm or asked.infer_arm) else 5
    if not asked.command and asked.experiment not in TASKS:
        raise UserError(
            f"--experiment={asked.experiment} is no task of mrjax; expected one of "
            f"{', '.join(TASKS)}; for another program give --command"
        )
    judged = options.judged(asked.experiment, asked.metric, asked.margin, asked.margin_kind)
    return Study(
        name=asked.name or study_dir.absolute().name,
        experiment=asked.experiment,
        baseline=baseline,
        replicates=default if asked.replicates is None else asked.replicates,
        pairing=asked.pairing,
        cross=cross,
        seed=asked.seed,
        platform=found if platform == "auto" else platform,
        command=arms.unquoted(asked.command),
        **judged._asdict(),
    )


def _settings(experiment: str, argv: Sequence[str]) -> Mapping[str, Any]:
    """What the flags of one of our programs ask for; wrong ones are refused here and now."""
    task = argv[0].partition("=")[2] if experiment == registry.PYTORCH else ""  # design: --task
    config_class, presets = registry.program(experiment, task)
    # A file in the study directory is there when the run needs it, not yet now.
    known = [re.sub(r"=.*\{study\}.*", f"={__file__}", flag) for flag in argv]
    config = configs.from_flags(config_class, presets, command.parse(config_class, presets, known))
    config.check()
    values = configs.to_json(config)
    return {name: values[name] for name in configs.digest_fields(config_class)}
