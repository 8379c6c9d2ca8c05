"""Which source changes the result, by how much, and is it more than chance: a study.

    python -m experiments.study recipes
    python -m experiments.study plan   --recipe=tiny_qsm
    python -m experiments.study run    --recipe=tiny_qsm
    python -m experiments.study status --recipe=tiny_qsm
    python -m experiments.study report --recipe=tiny_qsm

recipes lists the recipes that come with mrjax; --flagfile=FILE reads one of your own. plan checks
every flag and writes what is to be run into --study=DIR (else runs/studies/NAME); run does what is
not finished, here or through Slurm, and may be stopped and repeated; collect writes the tables
(results.csv, digests.csv, timing.csv, environment.csv), report writes them and report/index.html.
run, status, collect and report need --study or --name only. collect and report also read run
folders from elsewhere, <root>/<arm>/<label>, into --study=DIR:

    python -m experiments.study report ROOT ROOT --study=DIR --baseline=ARM

There --pairing=seed says that runs with equal labels share their seeds. Two sets of runs, such as
two arms, frameworks or machines, are put side by side, the first as baseline, in DIR/compare:

    python -m experiments.study compare A B --study=DIR

Runs are matched by their path below A and B; DIR may be left out for two arms of one study.

An arm is --arm="NAME [SOURCE]: --flag=value ...": what it adds to --baseline. {r} in it stands for
the number of the replicate, from 1. Instead of flags, or besides them: python=INTERPRETER,
resource=NAME, experiment=pytorch, command="PROGRAM ...", requires=ARM.
--infer_arm is the same for inference, repeated, with the network of the baseline's replicate 1.
"""

import dataclasses
import errno
import functools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mrjax import command
from mrjax.errors import RunFailed, UserError
from mrjax.study.plan import recipes
from mrjax.tasks import registry
from mrjax.tasks.registry import TASKS

ACTIONS = ("recipes", "plan", "run", "status", "collect", "report", "compare")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
FLAGS = flags.FlagValues()
_TEXT = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
_NUMBER = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
_ENUM = functools.partial(flags.DEFINE_enum, flag_values=FLAGS)
_BOOL = functools.partial(flags.DEFINE_bool, flag_values=FLAGS)
_MANY = functools.partial(flags.DEFINE_multi_string, flag_values=FLAGS)

_TEXT("recipe", "", "Recipe that comes with mrjax, in place of its flags; see recipes")
_TEXT("study", None, "Directory of the study; default: runs/studies/NAME")
_TEXT("name", None, "plan: name of the study; default: that of its directory")
_TEXT("experiment", next(iter(TASKS)), f"plan: {', '.join(TASKS)}; any word with --command")
_TEXT("baseline", "", "plan: flags of every run; collect ROOT, report ROOT: name of that arm")
_MANY("arm", [], "plan: a training arm, repeatable")
_MANY("infer_arm", [], "plan: an inference arm, repeatable")
_NUMBER("replicates", None, "plan: of each arm; default: 5, or 0 with --cross", lower_bound=0)
_ENUM(
    "pairing",
    "seed",
    ("seed", "repetition"),
    "plan: seed: replicate r of every arm has --seed_init=r --seed_order=r; repetition: all seeds "
    "are equal",
)
_TEXT("cross", "", "plan: crossed factors, such as seed_init=0:5,seed_order=0:5,repetition=0:2")
_NUMBER("seed", 0, "plan: of the random order of execution", lower_bound=0)
_ENUM("platform", "auto", ("auto", "cpu", "gpu"), "plan: auto: a GPU if there is one")
_BOOL(
    "elsewhere", False, "plan: for other machines than this: set no arm aside for what lacks here"
)
_TEXT("metric", None, "plan, ROOT: that is judged; default: dice for breast, else nrmse")
flags.DEFINE_float(
    "margin",
    None,
    "plan, ROOT: of equivalence; default: 0.01 absolute for dice, else 0.02 relative",
    lower_bound=0.0,
    flag_values=FLAGS,
)
_ENUM(
    "margin_kind", None, ("relative", "absolute"), "plan, ROOT: to the baseline's mean, or absolute"
)
_TEXT(
    "command",
    "",
    "plan: a foreign program that writes run folders; {python}, {flags}, {workdir} are filled in",
)
_ENUM("launcher", "local", ("local", "slurm"), "run: here, or as Slurm job arrays")
_NUMBER("slots", 0, "run: runs at the same time; 0: 1 here, 50 under Slurm", lower_bound=0)
_NUMBER("cpu_threads_per_slot", 0, "run: CPU threads of each run; 0: its own choice", lower_bound=0)
_BOOL("allow_mixed", False, "run: go on although code or environment changed")
_MANY("resource", [], 'run: of Slurm, "NAME: --partition=... --gres=... python=...", repeatable')
_BOOL("wait", False, "run: stay until Slurm's queue holds no run of this study")
_NUMBER("poll", 10, "run: seconds between two looks at Slurm's queue", lower_bound=1)
_BOOL("images", None, "report: compare outputs voxel by voxel; default: if the runs are few")
_BOOL("help", False, "Show this help")


def main(argv: list[str]) -> int:
    """Parse and act; a user's mistake is one line and exit code 2."""
    try:
        rest = command.parsed(FLAGS, recipes.replaced(argv[1:]))
        if FLAGS.help:
            print(__doc__, FLAGS.get_help())
            return 0
        return _act(rest)
    except (UserError, flags.Error) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except OSError as error:
        full = error.errno in _FULL
        if not (full or error.filename):
            raise  # no file of the user's: a defect, which needs its traceback
        told = "make room" if full else "expected a place to read and write; choose another path"
        print(f"error: {error.filename or 'a file'}: {error.strerror}; {told}", file=sys.stderr)
        return 1 if full else 2
    except RunFailed as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; jobs submitted to Slurm go on", file=sys.stderr)
        return 130


def _act(rest: list[str]) -> int:
    if not rest or rest[0] not in ACTIONS:
        raise UserError(
            f"{' '.join(rest[:1]) or 'nothing'} is no action; expected one of "
            f"{', '.join(ACTIONS)}; see --help"
        )
    action, *more = rest
    if more and action in ("recipes", "plan", "run", "status"):
        raise UserError(f"unknown argument {more[0]}; expected flags only; write --flag=value")
    if action == "recipes":
        print(recipes.table())
        return 0
    if action == "compare":
        return _compare(more)
    if action in ("collect", "report"):
        return _gather(_study_dir(), more, report=action == "report")
    acts = {"plan": _plan, "run": _run, "status": _status}
    return acts[action](_study_dir())


def _study_dir() -> Path:
    if FLAGS.study:
        return Path(FLAGS.study)
    if FLAGS.name:
        return Path("runs", "studies", FLAGS.name)
    raise UserError("neither --study nor --name; expected the directory of the study; give one")


# plan


def _plan(study_dir: Path) -> int:
    from mrjax.study import directory, overview
    from mrjax.study.plan import design, machine

    here = machine.here()
    recipe = _recipe(study_dir, "gpu" if here.gpus and here.gpu_software else "cpu")
    settings = None if recipe.command else _settings
    study, runs = design.plan(recipe, settings, None if FLAGS.elsewhere else here)
    new = directory.save(study_dir, study, runs)
    print(overview.planned(study, runs))
    print(f"{len(runs)} runs in {study_dir}" + ("" if new else " (planned already)"))
    return 0


def _recipe(study_dir: Path, found: str) -> Any:
    """The recipe on the command line.

    Args:
        study_dir: gives the study its name where there is no --name.
        found: kind of device that is here.
    """
    from mrjax.study.plan import arms, options
    from mrjax.study.plan.recipe import Recipe

    baseline, keys = arms.split(arms.unquoted(FLAGS.baseline))
    if keys:
        raise UserError(f"--baseline sets {min(keys)}=; expected flags alone; make it an arm")
    given = [flag.partition("=")[2] for flag in baseline if flag.startswith("--platform=")]
    platform = [FLAGS.platform, *given][-1]
    specs = [arms.parse(text, "training") for text in FLAGS.arm]
    specs += [arms.parse(text, "inference") for text in FLAGS.infer_arm]
    experiment = _experiment()
    cross = options.cross(FLAGS.cross)
    default = 0 if cross and not specs else 5
    return Recipe(
        name=FLAGS.name or study_dir.absolute().name,
        experiment=experiment,
        baseline=baseline,
        arms=tuple(specs),
        replicates=default if FLAGS.replicates is None else FLAGS.replicates,
        pairing=FLAGS.pairing,
        cross=cross,
        seed=FLAGS.seed,
        platform=found if platform == "auto" else platform,
        command=arms.unquoted(FLAGS.command),
        **options.judged(experiment, FLAGS.metric, FLAGS.margin, FLAGS.margin_kind)._asdict(),
    )


def _experiment() -> str:
    if not FLAGS.command and FLAGS.experiment not in TASKS:
        raise UserError(
            f"--experiment={FLAGS.experiment} is none of ours; expected one of "
            f"{', '.join(TASKS)}; for another program give --command"
        )
    return FLAGS.experiment


def _settings(experiment: str, argv: Sequence[str]) -> Mapping[str, Any]:
    """What the flags of one of our programs ask for; wrong ones are refused here and now."""
    from mrjax import command
    from mrjax import config as configs

    task = argv[0].partition("=")[2] if experiment == registry.PYTORCH else ""  # design: --task
    config_class, presets = registry.program(experiment, task)
    # A file in the study directory is there when the run needs it, not yet now.
    known = [re.sub(r"=.*\{study\}.*", f"={__file__}", flag) for flag in argv]
    config = configs.from_flags(config_class, presets, command.parse(config_class, presets, known))
    config.check()
    values = configs.to_json(config)
    return {name: values[name] for name in configs.digest_fields(config_class)}


# run


def _run(study_dir: Path) -> int:
    from mrjax.runs.lock import Lock
    from mrjax.study import directory
    from mrjax.study.records import read_runs, read_study

    study, runs = read_study(study_dir), read_runs(study_dir)
    for arm in study.arms:
        if arm.problem:
            print(f"not run: {arm.name}: {arm.problem}")
    left = directory.unfinished(study_dir, runs)
    if not left:
        said = f"all {len(runs)} runs are finished" if runs else "no arm can run here"
        print(f"nothing to do: {said}")
        return 0
    try:
        lock = Lock(study_dir / ".lock")
    except OSError as error:
        raise UserError(
            f"{study_dir} is not writable ({error.strerror}); expected a directory for the runs; "
            "change its permissions"
        ) from error
    try:
        _check_code(study_dir, study, runs)
        return _launch(study_dir, study, left)
    finally:
        lock.release()


def _check_code(study_dir: Path, study: Any, runs: Sequence[Any]) -> None:
    """Refuse to mix code within a study; other interpreters are meant to have other code."""
    from mrjax.runs import code
    from mrjax.study import directory

    own = [run for run in runs if not study.arm(run.arm).python]
    before = directory.codes(study_dir, own)
    if FLAGS.allow_mixed or not before:
        return
    now = code.state(Path(__file__).resolve().parents[1])["sources"]
    if before != {now}:
        raise UserError(
            f"runs of {study_dir} were made by other code ({min(before - {now})[:8]}, here "
            f"{now[:8]}); expected the same for all; go back to it, choose another --study, or "
            "mix knowingly with --allow_mixed"
        )


def _launch(study_dir: Path, study: Any, left: Sequence[Any]) -> int:
    if FLAGS.launcher == "slurm":
        from mrjax.study.launch import resources, slurm

        cluster = slurm.Cluster(
            resources=resources.parse(FLAGS.resource),
            throttle=FLAGS.slots or 50,
            wait=FLAGS.wait,
            poll=FLAGS.poll,
            allow_mixed=FLAGS.allow_mixed,
        )
        return slurm.launch(study_dir, study, left, cluster)
    from mrjax.study.launch import local

    elsewhere = {run.arm for run in left if study.arm(run.arm).resource}
    for name in sorted(elsewhere):
        need = study.arm(name).resource
        print(f"not run here: {name}: needs resource {need} of a cluster; use --launcher=slurm")
    left = [run for run in left if run.arm not in elsewhere]
    if not left:
        print("nothing to do here")
        return 0
    slots = local.Slots(
        number=FLAGS.slots or 1,
        cpu_threads=FLAGS.cpu_threads_per_slot,
        allow_mixed=FLAGS.allow_mixed,
    )
    return local.launch(study_dir, study, left, slots)


# status, collect, report, compare


def _status(study_dir: Path) -> int:
    from mrjax.study import overview
    from mrjax.study.records import read_runs, read_study

    print(overview.status(study_dir, read_study(study_dir), read_runs(study_dir)))
    return 0


def _gather(study_dir: Path, roots: list[str], *, report: bool) -> int:
    """Tables, and the report if asked for, of a study or of run folders from anywhere."""
    from mrjax.study.gather import csvfiles, loading

    if roots:
        given = {
            "baseline": FLAGS.baseline,
            "paired": bool(FLAGS["pairing"].present) and FLAGS.pairing == "seed",
            "metric": FLAGS.metric or "",
            "margin": FLAGS.margin or 0.0,
            "margin_kind": FLAGS.margin_kind or "",
        }
        collected = loading.load_roots(roots, **given)
        study_dir.mkdir(parents=True, exist_ok=True)
    else:
        collected = loading.load(study_dir)
    paths = csvfiles.write(study_dir, collected)
    if report:
        from mrjax.study.report import write

        paths = [write(study_dir / "report", collected, images=FLAGS.images)]
    for arm, label, what in map(dataclasses.astuple, collected.problems):
        print(f"left out: {arm} {label}: {what}" if label else f"not run: {arm}: {what}")
    for path in paths:
        print(path)
    return 0


def _compare(folders: list[str]) -> int:
    from mrjax.study import compare

    if len(folders) != 2:
        raise UserError(
            f"compare with {len(folders)} folders; expected two, A and B, each with run folders; "
            "write compare A B --study=DIR"
        )
    sides = compare.load(
        *folders,
        metric=FLAGS.metric or "",
        margin=FLAGS.margin or 0.0,
        margin_kind=FLAGS.margin_kind or "",
    )
    print(compare.write(_common_study(folders) / "compare", sides, images=FLAGS.images))
    return 0


def _common_study(folders: list[str]) -> Path:
    """Where a comparison is written: --study, or the study that both folders are arms of."""
    from mrjax.study.records import STUDY

    above = {Path(folder).resolve().parent.parent for folder in folders}
    if not (FLAGS.study or FLAGS.name) and len(above) == 1 and min(above).joinpath(STUDY).exists():
        return min(above)
    return _study_dir()


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main(sys.argv))
