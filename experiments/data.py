"""Make synthetic subjects and store them: as a TFDS data set, or in a format that users have.

    python -m experiments.data --build=qsm_brain --data_dir=DIR --n_train=24 --n_test=4
    python -m experiments.data --build=knee_slices --data_dir=DIR --rows=96 --columns=96
    python -m experiments.data --write=qsmnet_mat --data_dir=DIR

Brains are for experiments.qsm: train with --dataset=tfds --data_dir=DIR, or with --dataset=
qsmnet_mat, qsmnet_hdf5, or nifti --unit=ppm. Knees are for experiments.varnet and .e2e:
--dataset=tfds, hammernik, fastmri, ismrmrd or bart.
"""

import sys
from pathlib import Path

from absl import flags, logging

from mrjax import command
from mrjax.errors import UserError

FLAGS = flags.FlagValues()
BUILDS = ("qsm_brain", "knee_slices")
BRAIN_FORMATS = ("qsmnet_mat", "qsmnet_hdf5", "nifti")
KNEE_FORMATS = ("hammernik", "fastmri", "ismrmrd", "bart")

flags.DEFINE_enum("build", None, BUILDS, "Build this TFDS data set", flag_values=FLAGS)
flags.DEFINE_enum(
    "write",
    None,
    BRAIN_FORMATS + KNEE_FORMATS,
    f"Write subjects in this format; {', '.join(KNEE_FORMATS)}: knees, the others: brains",
    flag_values=FLAGS,
)
flags.DEFINE_string("data_dir", None, "Folder to write into", flag_values=FLAGS)
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


def act(values: flags.FlagValues) -> int:
    """Make the subjects that the flags ask for, store them and print where."""
    if bool(values.build) == bool(values.write):
        raise UserError("neither or both of --build and --write; expected exactly one; see --help")
    if not values.data_dir:
        raise UserError("--data_dir is not given; expected the folder to write into; set it")
    from mrjax.data import making

    asked = making.Asked(
        numbers=(values.n_train, values.n_test),
        volume=values.volume,
        shape=(values.rows, values.columns),
        coils=values.coils,
        seeds=tuple(
            values.seed if seed is None else seed for seed in (values.seed_data, values.seed_noise)
        ),
        patch=values.patch,
        patches=(values.patches_x, values.patches_y, values.patches_z),
    )
    folder = Path(values.data_dir)
    if values.build:
        logging.set_verbosity(logging.ERROR)  # TFDS warns of every choice that is not its default
        print(making.build(values.build, folder, asked))
    else:
        print(making.write(values.write, folder, asked))
    return 0


if __name__ == "__main__" and command.alone("experiments.data"):
    command.on_host()
    command.tool(FLAGS, act, __doc__, sys.argv[1:])
