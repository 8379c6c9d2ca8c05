"""``python -m experiments.network predict DIR --input=FILE --output=FILE``."""

from pathlib import Path

from absl import flags

from mrjax.config.accept import CHECKS
from mrjax.errors import UserError

FLAGS = flags.FlagValues()


def _text(name: str, about: str) -> None:
    flags.DEFINE_string(name, None, about, flag_values=FLAGS)


def _number(name: str, about: str, least: int) -> None:
    flags.DEFINE_integer(name, None, about, lower_bound=least, flag_values=FLAGS)


def _switch(name: str, about: str) -> None:
    flags.DEFINE_boolean(name, None, about, flag_values=FLAGS)


def _choice(name: str, choices: list[str], about: str) -> None:
    flags.DEFINE_enum(name, None, choices, about, flag_values=FLAGS)


_text("input", "File to read: NIfTI (qsm, breast), or k-space as HDF5 or .cfl (varnet, e2e)")
_text("output", "File to write: .nii, .nii.gz, or of k-space .h5; its folder must exist")
_switch("overwrite", "Replace a file that is there")
_text("accept", f"Checks of the data to overrule, separated by commas, of {', '.join(CHECKS)}")

_text("mask", "qsm: mask of the brain; without it, where the field is finite and not zero")
_choice("unit", ["ppm", "Hz", "rad"], "qsm: unit of the field")
flags.DEFINE_float("field_strength", None, "qsm: B0 [T], to convert Hz and rad", flag_values=FLAGS)
flags.DEFINE_float("echo_time", None, "qsm: echo time [s], to convert rad", flag_values=FLAGS)
_number("echo", "qsm: volume of a field in four dimensions, counted from 1", 1)
_number("tile", "qsm: planes computed at a time; 0: all of them (default: by the volume's size)", 0)
_switch("resample", "qsm, breast: bring what lies outside the network's domain into it, and back")
_switch("probability", "breast: write the probability of breast instead of the mask")
_choice("maps", ["acs", "espirit"], "varnet: estimate of coil sensitivity maps the file lacks")
_number("acs_lines", "varnet: central columns that were acquired completely", 0)
flags.DEFINE_float(
    "centre_fraction",
    None,
    "e2e: share of the columns that are acquired in the middle of k-space that is complete",
    flag_values=FLAGS,
)
_number("acceleration", "varnet, e2e: undersampling of k-space that is complete", 1)

_choice("platform", ["auto", "cpu", "gpu"], "Kind of device; auto: a GPU if there is one")
_number("device_index", "GPU to use, counted from 0", 0)
_number("cpu_threads", "Number of CPU threads of XLA; 0: one for each core", 0)
_choice(
    "numerics", ["native", "reproducible"], "Arithmetic (default: that of the network's training)"
)

_NAMES = tuple(FLAGS)


def act(values: flags.FlagValues, folder: str) -> int:
    """Apply a network to one file, and say where the result is."""
    given = {name: values[name].value for name in _NAMES if values[name].value is not None}
    for name in ("input", "output"):
        if not given.get(name):
            raise UserError(f"--{name} is not given; expected a file; set it")
    from mrjax.sharing.predict import program

    return program.run(Path(folder), given)
