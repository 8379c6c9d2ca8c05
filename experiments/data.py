"""Make synthetic subjects and store them: as a TFDS data set, or in a format that users have.

    python -m experiments.data --build=qsm_brain --data_dir=DIR --n_train=24 --n_test=4
    python -m experiments.data --build=knee_slices --data_dir=DIR --rows=96 --columns=96
    python -m experiments.data --write=qsmnet_mat --data_dir=DIR

Brains are for experiments.qsm: train with --dataset=tfds --data_dir=DIR, or with --dataset=
qsmnet_mat, qsmnet_hdf5, or nifti --unit=ppm. Knees are for experiments.varnet: --dataset=tfds,
hammernik, fastmri or bart.
"""

import os
import sys
from pathlib import Path

from absl import flags, logging

from mrjax import command
from mrjax.errors import UserError

FLAGS = flags.FlagValues()
BUILDS = ("qsm_brain", "knee_slices")
BRAIN_FORMATS = ("qsmnet_mat", "qsmnet_hdf5", "nifti")
KNEE_FORMATS = ("hammernik", "fastmri", "bart")

flags.DEFINE_enum("build", None, BUILDS, "Build this TFDS data set", flag_values=FLAGS)
flags.DEFINE_enum(
    "write",
    None,
    BRAIN_FORMATS + KNEE_FORMATS,
    f"Write subjects in this format; {', '.join(KNEE_FORMATS)}: knees, the others: brains",
    flag_values=FLAGS,
)
flags.DEFINE_string("data_dir", None, "Folder to write into", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "Show this help", flag_values=FLAGS)
for _name, _default, _least, _help in (
    ("n_train", 24, 1, "training subjects"),
    ("n_test", 4, 1, "held-out subjects"),
    ("volume", 48, 8, "edge of a brain's volume [voxels of 1 mm]"),
    ("rows", 96, 16, "knees: length of the readout [pixels]"),
    ("columns", 96, 16, "knees: phase-encoding lines [pixels]"),
    ("coils", 6, 1, "knees: receive coils"),
    ("seed", 0, 0, "seed of everything random"),
    ("seed_data", None, 0, "seed of the anatomy; default: --seed"),
    ("seed_noise", None, 0, "seed of the noise; default: --seed"),
    ("patch", 32, 8, "qsmnet_hdf5: edge of a patch [voxels]"),
    ("patches_x", 2, 1, "qsmnet_hdf5: patches along x"),
    ("patches_y", 2, 1, "qsmnet_hdf5: patches along y"),
    ("patches_z", 2, 1, "qsmnet_hdf5: patches along z"),
):
    flags.DEFINE_integer(_name, _default, _help, lower_bound=_least, flag_values=FLAGS)


def main(argv: list[str]) -> int:
    """Parse, make, store; a user's mistake is one line and exit code 2."""
    try:
        rest = command.parsed(FLAGS, argv[1:])
        if FLAGS.help:
            print(__doc__, FLAGS.get_help())
            return 0
        _check(rest)
        print(_build() if FLAGS.build else _write())
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _check(rest: list[str]) -> None:
    if rest:
        raise UserError(f"unknown argument {rest[0]}; expected flags only; write --flag=value")
    if bool(FLAGS.build) == bool(FLAGS.write):
        raise UserError("neither or both of --build and --write; expected exactly one; see --help")
    if not FLAGS.data_dir:
        raise UserError("--data_dir is not given; expected the folder to write into; set it")


def _build() -> Path:
    from mrjax.data import builders

    logging.set_verbosity(logging.ERROR)  # TFDS warns of every choice that is not its default
    seed_data, seed_noise = _seeds()
    common = {
        "n_train": FLAGS.n_train,
        "n_test": FLAGS.n_test,
        "seed_data": seed_data,
        "seed_noise": seed_noise,
    }
    if FLAGS.build == "qsm_brain":
        choice = builders.Brains(volume=FLAGS.volume, **common)
    else:
        choice = builders.Knees(rows=FLAGS.rows, columns=FLAGS.columns, coils=FLAGS.coils, **common)
    return builders.build(Path(FLAGS.data_dir), choice)


def _write() -> Path:
    from mrjax.data import export, synthetic

    data_dir = Path(FLAGS.data_dir)
    export.require_empty(data_dir)  # before subjects are made
    numbers = (FLAGS.n_train, FLAGS.n_test)
    if FLAGS.write in KNEE_FORMATS:
        shape = (FLAGS.rows, FLAGS.columns)
        knees = synthetic.knee_split(*numbers, shape, FLAGS.coils, *_seeds())
        export.write_slices(FLAGS.write, knees, data_dir)
    else:
        brains = synthetic.synthetic_split(*numbers, FLAGS.volume, *_seeds())
        per_axis = (FLAGS.patches_x, FLAGS.patches_y, FLAGS.patches_z)
        export.write(FLAGS.write, brains, data_dir, patch=FLAGS.patch, per_axis=per_axis)
    return data_dir


def _seeds() -> tuple[int, int]:
    """Seeds of the streams data and noise."""
    chosen = (FLAGS.seed_data, FLAGS.seed_noise)
    data, noise = (FLAGS.seed if seed is None else seed for seed in chosen)
    return data, noise


if __name__ == "__main__":
    # Subjects are made on the host; jax reads these when it is first imported, which is later.
    os.environ.update(JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")
    sys.exit(main(sys.argv))
