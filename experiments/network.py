"""Exchange trained networks with other programs; prove that training gives the same bits.

    python -m experiments.network --import_varnet=FILE --workdir=DIR
    python -m experiments.network --export_varnet=FILE --from_run=DIR

FILE is a state_dict of the public PyTorch VarNet (rixez/pytorch_mri_variationalnetwork), read
without running any code in it. DIR becomes, or is, a run folder: an imported network is judged by
python -m experiments.varnet --preset=paper --steps=0 --from_run=DIR. Both need PyTorch.

    python -m experiments.network prove --task=qsm --python=OTHER

trains and applies a network under every pair of settings of this machine (instruction set, threads,
devices, form of convolution, numpy's and BLAS's kernels, interpreters, a GPU if there is one), in
native and in reproducible arithmetic, and prints one table of digests. The runs can be stopped and
are gone on with; the exit code is 0 if only the native digests differ.

    python -m experiments.network diverge A B --out=DIR

says where two recorded trainings part: the first step and quantity, the first operation with equal
inputs and unequal results, and how far these are apart. mrjax's own trainings take the step in
which they part again, each with its own flags; of other trainings the step must have been traced
(Recorder(..., trace_at=[STEP])). With --out, a page shows the modules and how the difference grows.
"""

import shlex
import sys
from pathlib import Path

from absl import flags

from mrjax import command
from mrjax.errors import UserError
from mrjax.tasks.registry import TASKS

FLAGS = flags.FlagValues()
flags.DEFINE_string("import_varnet", None, "state_dict to read", flag_values=FLAGS)
flags.DEFINE_string("export_varnet", None, "state_dict to write", flag_values=FLAGS)
flags.DEFINE_string("workdir", None, "import: run folder to write", flag_values=FLAGS)
flags.DEFINE_string("from_run", None, "export: run folder to read", flag_values=FLAGS)

PROVE = flags.FlagValues()
flags.DEFINE_enum("task", next(iter(TASKS)), list(TASKS), "Network", flag_values=PROVE)
flags.DEFINE_string("preset", "tiny", "Preset of every run", flag_values=PROVE)
flags.DEFINE_integer("steps", None, "Training steps of every run", flag_values=PROVE)
flags.DEFINE_string("flags", "", "Further flags of every run", flag_values=PROVE)
flags.DEFINE_multi_string("python", [], "A further interpreter, repeatable", flag_values=PROVE)
flags.DEFINE_string(
    "workdir", "", "Folder of the runs; empty: one for these flags and this code", flag_values=PROVE
)

DIVERGE = flags.FlagValues()
flags.DEFINE_string(
    "out",
    "",
    "Folder for diverge.html, diverge.json and figures, of mrjax's own trainings for the records "
    "of the step taken again and retake.json; empty: none",
    flag_values=DIVERGE,
)
flags.DEFINE_integer(
    "step", None, "Step that both take again; unset: the first that differs", flag_values=DIVERGE
)
flags.DEFINE_string("python_a", "", "Interpreter of A; empty: this one", flag_values=DIVERGE)
flags.DEFINE_string("python_b", "", "Interpreter of B; empty: this one", flag_values=DIVERGE)


def exchange(values: flags.FlagValues) -> int:
    """Import or export a network, and say where it is."""
    if bool(values.import_varnet) == bool(values.export_varnet):
        raise UserError(
            "neither or both of --import_varnet and --export_varnet; expected exactly one; see "
            "--help"
        )
    asked = "import_varnet" if values.import_varnet else "export_varnet"
    wanted, unused = ("workdir", "from_run") if values.import_varnet else ("from_run", "workdir")
    if not values[wanted].value:
        raise UserError(f"--{wanted} is not given; expected a run folder; set it")
    if values[unused].value:
        raise UserError(
            f"--{unused} has no effect beside --{asked}; expected --{wanted} alone; drop it"
        )
    from mrjax.sharing import exchange

    act = exchange.take_over if values.import_varnet else exchange.hand_out
    print(act(Path(str(values[asked].value)), Path(str(values[wanted].value))))
    return 0


def prove(values: flags.FlagValues) -> int:
    """Train under every pair of settings; return 0 if only the native digests differ."""
    from mrjax.prove import proof

    steps = [] if values.steps is None else [f"--steps={values.steps}"]
    common = [f"--preset={values.preset}", *steps, *shlex.split(values["flags"].value)]
    pythons = [sys.executable, *values.python]
    return proof.run(proof.Proof(values.task, common, pythons, values.workdir))


def diverge(values: flags.FlagValues, a: str, b: str) -> int:
    """Print where two recorded trainings part."""
    from mrjax.diverge import command as diverging
    from mrjax.diverge.retake import command as retaking

    asked = retaking.Asked(values.step, (values.python_a, values.python_b), str(values.out))
    both = retaking.known(Path(a), Path(b))
    if both is None:
        print(diverging.run(Path(a), Path(b), asked.out))
    for line in retaking.run(*both, asked) if both else ():
        print(line, flush=True)
    return 0


def main(argv: list[str]) -> None:
    """Dispatch to `prove` or `diverge`, or exchange a network, and exit."""
    if argv[:1] == ["prove"]:
        command.tool(PROVE, prove, __doc__, argv[1:])
    if argv[:1] == ["diverge"]:
        command.tool(DIVERGE, diverge, __doc__, argv[1:], words=("A", "B"))
    tools = {"prove": PROVE, "diverge": DIVERGE}
    pages = (f"{name} has the flags\n{tool.get_help()}\n" for name, tool in tools.items())
    page = "\n".join([__doc__ or "", *pages, "without either:\n"])
    command.tool(FLAGS, exchange, page, argv)


if __name__ == "__main__" and command.alone("experiments.network"):
    command.on_host()
    main(sys.argv[1:])
