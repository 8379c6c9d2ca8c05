"""Exchange trained networks with other programs; prove that training gives the same bits.

    python -m experiments.network --import_varnet=FILE --workdir=DIR
    python -m experiments.network --export_varnet=FILE --from_run=DIR
    python -m experiments.network --import_fastmri=FILE --workdir=DIR
    python -m experiments.network --export_fastmri=FILE --from_run=DIR

FILE is a state_dict of the public PyTorch VarNet (rixez/pytorch_mri_variationalnetwork), or of a
fastmri.models.VarNet, also as Lightning saves it, read without running any code in it. DIR becomes,
or is, a run folder: an imported network is judged by python -m experiments.varnet (or .e2e)
--preset=paper --steps=0 --from_run=DIR. All need PyTorch.

    python -m experiments.network package RUN --output=DIR [--license=NAME] [--sign_key=FILE]

makes a folder in the layout of the Hugging Face Hub from a run folder: weights, settings, ledger,
environment, a test input with its output, and a manifest whose digest stands for all of it. No file
names the maker's machine. --from_run=DIR of every task takes such a folder in place of a run's.

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

    python -m experiments.network verify DIR --digest=HEX --retrain=20 --receipt=receipt.json

checks a package: its files, the digest that its author printed, the output for its test input, and
with --retrain its training steps against its ledger. Exit code 0: all that was asked for passed; 1:
damaged, or other results than to be expected; 3: something could not be checked.

    python -m experiments.network environment DIR --output=requirements.txt

writes the exact versions of the software that trained the network of a package.

    python -m experiments.network predict DIR --input=FILE --output=FILE

applies the trained network in the run folder DIR to one file: to a local field (with --unit and
--mask), to k-space, or to a dynamic series; the result lies on the grid of the file.

    python -m experiments.network export DIR --format=stablehlo --output=PATH

writes the network of the run folder DIR for programs that know nothing of mrjax: stablehlo (jax),
state_dict (PyTorch), monai (a MONAI Bundle) or bioimageio (a bioimage.io model).
"""

import sys

from mrjax import command
from mrjax.command.verbs import Verb
from mrjax.sharing.commands import exchange

VERBS = {
    "package": Verb("mrjax.sharing.commands.package", ("RUN",)),
    "prove": Verb("mrjax.prove.command"),
    "diverge": Verb("mrjax.diverge.asked", ("A", "B")),
    "verify": Verb("mrjax.sharing.commands.verify", ("DIR",)),
    "environment": Verb("mrjax.sharing.commands.environment", ("DIR",)),
    "predict": Verb("mrjax.sharing.commands.predict", ("DIR",)),
    "export": Verb("mrjax.sharing.commands.export", ("DIR",)),
}
ON_DEVICES = ("predict",)
"""Commands that plan an environment of JAX themselves, as trainings do."""


def main(argv: list[str]) -> None:
    """Do what a command says, or exchange a network, and exit."""
    command.dispatch(VERBS, exchange.FLAGS, exchange.act, __doc__, argv)


if __name__ == "__main__" and command.alone("experiments.network"):
    if sys.argv[1:2] not in [[name] for name in ON_DEVICES]:
        command.on_host()
    main(sys.argv[1:])
