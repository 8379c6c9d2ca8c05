"""The flags of the command line of studies; each help text begins with the actions it is for."""

import functools

from absl import flags

from mrjax.tasks.registry import TASKS


def define() -> flags.FlagValues:
    """Return all flags, not parsed yet."""
    asked = flags.FlagValues()
    _of_studies(asked)
    _of_judgement(asked)
    _of_runs(asked)
    return asked


def _of_studies(asked: flags.FlagValues) -> None:
    text = functools.partial(flags.DEFINE_string, flag_values=asked)
    many = functools.partial(flags.DEFINE_multi_string, flag_values=asked)
    number = functools.partial(flags.DEFINE_integer, flag_values=asked, lower_bound=0)
    choice = functools.partial(flags.DEFINE_enum, flag_values=asked)
    text("recipe", "", "Recipe that comes with mrjax and stands for its flags; see recipes")
    text(
        "study",
        None,
        "Directory of the study, or of the certificate; default: runs/studies/NAME",
    )
    text("name", None, "plan: name of the study; default: the name of its directory")
    text("experiment", next(iter(TASKS)), f"plan: {', '.join(TASKS)}; any word with --command")
    text(
        "baseline",
        "",
        "plan: flags of every run; collect ROOT, report ROOT: name of the arm that is the baseline",
    )
    many("arm", [], "plan: a training arm; may be repeated")
    many("infer_arm", [], "plan: an inference arm; may be repeated")
    number("replicates", None, "plan: runs of each arm; default: 5, or 0 with --cross alone")
    choice(
        "pairing",
        "seed",
        ("seed", "repetition"),
        "plan: seed: replicate r, from 1, of every arm has --seed_init=r --seed_order=r; "
        "repetition: all seeds are equal",
    )
    text("cross", "", "plan: crossed factors, such as seed_init=0:5,seed_order=0:5,repetition=0:2")
    number("seed", 0, "plan: seed of the random order in which the runs are made")
    choice("platform", "auto", ("auto", "cpu", "gpu"), "plan: auto: a GPU if there is one")
    flags.DEFINE_bool(
        "elsewhere",
        False,
        "plan: plan for another machine: keep arms that cannot run on this one",
        flag_values=asked,
    )
    text(
        "command",
        "",
        "plan: another program that writes run folders; {python}, {flags} and {workdir} in it are "
        "filled in",
    )


def _of_judgement(asked: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "metric",
        None,
        "plan, ROOT: the metric that is judged; default: dice for breast, else nrmse",
        flag_values=asked,
    )
    flags.DEFINE_float(
        "margin",
        None,
        "plan, ROOT: margin of equivalence; default: 0.01 absolute for dice, else 0.02 relative",
        lower_bound=0.0,
        flag_values=asked,
    )
    flags.DEFINE_enum(
        "margin_kind",
        None,
        ("relative", "absolute"),
        "plan, ROOT: whether the margin is a share of the baseline's mean, or absolute",
        flag_values=asked,
    )


def _of_runs(asked: flags.FlagValues) -> None:
    number = functools.partial(flags.DEFINE_integer, flag_values=asked)
    switch = functools.partial(flags.DEFINE_bool, flag_values=asked)
    flags.DEFINE_enum(
        "launcher",
        "local",
        ("local", "slurm"),
        "run: start the runs on this machine, or as Slurm job arrays",
        flag_values=asked,
    )
    number(
        "slots",
        0,
        "run: how many runs at the same time; 0: 1 on this machine, 50 under Slurm",
        lower_bound=0,
    )
    number(
        "cpu_threads_per_slot",
        0,
        "run: CPU threads of each run; 0: each run decides for itself",
        lower_bound=0,
    )
    switch(
        "share_compiled",
        True,
        "run: on a CPU, runs of equal programs share what the first one compiled; no bit depends "
        "on it",
    )
    switch("allow_mixed", False, "run: go on although code or environment changed")
    flags.DEFINE_multi_string(
        "resource",
        [],
        'run: a class of Slurm nodes, "NAME: --partition=... --gres=... python=..."; may be '
        "repeated",
        flag_values=asked,
    )
    switch("wait", False, "run: stay until Slurm's queue holds no run of this study")
    number("poll", 10, "run: seconds between two looks at Slurm's queue", lower_bound=1)
    switch(
        "images",
        None,
        "report, compare: compare outputs voxel by voxel; default: if there are few runs",
    )
    switch("help", False, "Show this help")
