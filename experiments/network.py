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
"""

import os
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
flags.DEFINE_bool("help", False, "Show this help", flag_values=FLAGS)

PROVE = flags.FlagValues()
flags.DEFINE_enum("task", next(iter(TASKS)), list(TASKS), "Network", flag_values=PROVE)
flags.DEFINE_string("preset", "tiny", "Preset of every run", flag_values=PROVE)
flags.DEFINE_integer("steps", None, "Training steps of every run", flag_values=PROVE)
flags.DEFINE_string("flags", "", "Further flags of every run", flag_values=PROVE)
flags.DEFINE_multi_string("python", [], "A further interpreter, repeatable", flag_values=PROVE)
flags.DEFINE_string(
    "workdir", "", "Folder of the runs; empty: one for these flags and this code", flag_values=PROVE
)
flags.DEFINE_bool("help", False, "Show this help", flag_values=PROVE)


def main(argv: list[str]) -> int:
    """Parse and act; a user's mistake is one line and exit code 2."""
    try:
        if argv[1:2] == ["prove"]:
            return _prove(argv[1:])
        rest = command.parsed(FLAGS, argv[1:])
        if FLAGS.help:
            print(__doc__, FLAGS.get_help(), "\n\nprove:\n", PROVE.get_help())
            return 0
        _check(rest)
        print(_exchange())
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _prove(argv: list[str]) -> int:
    from mrjax.prove import proof

    if rest := command.parsed(PROVE, argv[1:]):
        raise UserError(f"unknown argument {rest[0]}; expected flags only; write --flag=value")
    if PROVE.help:
        print(__doc__, PROVE.get_help())
        return 0
    steps = [] if PROVE.steps is None else [f"--steps={PROVE.steps}"]
    common = [f"--preset={PROVE.preset}", *steps, *shlex.split(PROVE["flags"].value)]
    pythons = [sys.executable, *PROVE.python]
    return proof.run(proof.Proof(PROVE.task, common, pythons, PROVE.workdir))


def _check(rest: list[str]) -> None:
    if rest:
        raise UserError(f"unknown argument {rest[0]}; expected flags only; write --flag=value")
    if bool(FLAGS.import_varnet) == bool(FLAGS.export_varnet):
        raise UserError(
            "neither or both of --import_varnet and --export_varnet; expected exactly one; see "
            "--help"
        )
    wanted, unused = ("workdir", "from_run") if FLAGS.import_varnet else ("from_run", "workdir")
    if not FLAGS[wanted].value:
        raise UserError(f"--{wanted} is not given; expected a run folder; set it")
    if FLAGS[unused].value:
        asked = "import_varnet" if FLAGS.import_varnet else "export_varnet"
        raise UserError(
            f"--{unused} has no effect beside --{asked}; expected --{wanted} alone; drop it"
        )
    from mrjax.pytorch import startup

    startup.require_torch()


def _exchange() -> str:
    try:
        return _import() if FLAGS.import_varnet else _export()
    except OSError as error:
        raise UserError(
            f"{error.filename or 'a file'} cannot be read or written ({error.strerror}); expected "
            "files and folders open to you; choose others"
        ) from error


def _import() -> str:
    from mrjax.pytorch import public_varnet
    from mrjax.tasks.varnet import exchange

    leaves = public_varnet.read_state_dict(FLAGS.import_varnet)
    config = exchange.store(leaves, Path(FLAGS.workdir), Path(FLAGS.import_varnet).name)
    flags_of_run = ["--preset=paper", *exchange.advice(config), "--steps=0"]
    return (
        f"{config.stages} stages of {config.width} filters: {FLAGS.workdir}\n"
        f"judge it with {' '.join(flags_of_run)} --from_run={FLAGS.workdir}"
    )


def _export() -> str:
    from mrjax.pytorch import public_varnet
    from mrjax.tasks.varnet import exchange

    path = Path(FLAGS.export_varnet)
    public_varnet.write_state_dict(path, exchange.load(Path(FLAGS.from_run)))
    return str(path)


if __name__ == "__main__":
    os.environ.update(JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")
    sys.exit(main(sys.argv))
