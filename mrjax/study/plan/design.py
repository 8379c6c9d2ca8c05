"""From a recipe to a study: which of its arms can run and change anything, and all runs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrjax.errors import UserError
from mrjax.study.plan import expansion, machine, recipe, sources
from mrjax.study.plan.arms import Spec
from mrjax.study.plan.machine import Machine
from mrjax.study.records import BASELINE, CROSSED, INFER_BASELINE, Arm, Run, Study

Settings = Callable[[str, Sequence[str]], Mapping[str, Any]]
"""(experiment, flags) -> the settings they ask for. Raises UserError."""


def plan(
    asked: Study, wanted: Sequence[Spec], settings: Settings | None, where: Machine | None
) -> tuple[Study, list[Run]]:
    """Make a study.

    Args:
        asked: the study, without its arms.
        wanted: the arms that are asked for, without the baseline.
        settings: checks flags of our programs; None: they are not checked (foreign programs).
        where: the machine it will run on, to set arms aside that it cannot run; None: unknown.

    Returns:
        The study, and its runs in the order of execution.

    Raises:
        UserError: for a recipe that contradicts itself, or flags that the program refuses.
    """
    recipe.check(asked, wanted)
    specs = recipe.all_specs(asked, wanted)
    arms = _Arms(asked, settings, where).arms(specs)
    runs = [
        run
        for spec, arm in zip(specs, arms, strict=True)
        if not arm.problem
        for run in expansion.runs(asked, spec)
    ]
    return dataclasses.replace(asked, arms=tuple(arms)), expansion.in_order(runs, asked.seed)


class _Arms:
    """Asks of each arm whether its flags are right, change anything, and can run here."""

    def __init__(self, asked: Study, settings: Settings | None, where: Machine | None) -> None:
        self._asked, self._settings, self._where = asked, settings, where
        self._seen: dict[str, Mapping[str, Any]] = {}

    def arms(self, specs: Sequence[Spec]) -> list[Arm]:
        problems: dict[str, str] = {}
        for spec in specs:
            try:
                problems[spec.arm.name] = self._problem(spec)
            except UserError as error:
                raise UserError(f"arm {spec.arm.name}: {error}") from error
        for spec in specs:
            problems[spec.arm.name] = problems[spec.arm.name] or _lacking(spec, problems)
        return [self._arm(spec, problems[spec.arm.name]) for spec in specs]

    def _arm(self, spec: Spec, problem: str) -> Arm:
        command = spec.arm.command
        if spec.experiment:
            command = f"{{python}} -m experiments.{spec.experiment} --task={self._asked.experiment}"
        return dataclasses.replace(spec.arm, problem=problem, command=command)

    def _problem(self, spec: Spec) -> str:
        """Why an arm is not run; "" if it is."""
        flags = expansion.first_arguments(self._asked, spec)
        same = self._same(spec, flags)
        platform = _platform(flags, self._asked.platform)
        # An arm with a resource runs on other machines, the nodes of a cluster.
        if self._where is not None and not spec.arm.resource:
            torch = bool(spec.experiment)
            found = machine.problem(self._where, flags, platform, spec.arm.python, torch=torch)
            if found:
                return found
        return same

    def _same(self, spec: Spec, flags: list[str]) -> str:
        """Why an arm changes nothing; "" if it does, or is there to be compared with.

        Raises:
            UserError: the program refuses the flags.
        """
        own = bool(spec.arm.command or self._asked.command)
        settings = {} if own or self._settings is None else self._settings_of(spec, flags)
        compared = INFER_BASELINE if spec.arm.kind == "inference" else BASELINE
        self._seen[spec.arm.name] = settings
        if spec.arm.source in ("baseline", CROSSED) or spec.arm.python or spec.arm.resource or own:
            return ""
        platform, torch = _platform(flags, self._asked.platform), bool(spec.experiment)
        inference = spec.arm.kind == "inference"
        idle = sources.without_effect(spec.arm.flags, platform, torch=torch, inference=inference)
        if not idle and settings and settings == self._seen.get(compared):
            return f"asks for what {compared} has"
        return idle

    def _settings_of(self, spec: Spec, flags: list[str]) -> Mapping[str, Any]:
        assert self._settings is not None
        if not spec.experiment:
            return self._settings(self._asked.experiment, flags)
        task = f"--task={self._asked.experiment}"
        return self._settings(spec.experiment, [task, *flags])


def _platform(flags: Sequence[str], default: str) -> str:
    """Platform a run is for; the last flag wins, as on a command line."""
    given = [flag for flag in flags if flag.startswith("--platform=")]
    return given[-1].partition("=")[2] if given else default


def _lacking(spec: Spec, problems: Mapping[str, str]) -> str:
    """What an arm lacks when the arm it waits for is not run."""
    required = expansion.required_arm(spec)
    if required and required not in problems:
        raise UserError(
            f"arm {spec.arm.name} requires {required}, which is no arm; expected one of "
            f"{', '.join(problems)}; correct it"
        )
    return f"needs a run of {required}, which has none here" if problems.get(required) else ""
