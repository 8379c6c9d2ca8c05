"""``python -m experiments.network verify DIR``."""

from pathlib import Path

from absl import flags

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "digest",
    "",
    "Digest of the package as it was printed, 16 digits or more",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "retrain", "", "Number of training steps to take again, or all", flag_values=FLAGS
)
flags.DEFINE_string("receipt", "", "JSON file to write the findings to", flag_values=FLAGS)
flags.DEFINE_string(
    "data_dir", "", "Folder of the training data, to retrain a network of files", flag_values=FLAGS
)
flags.DEFINE_string(
    "public_key", "", "Key in PEM, to check manifest.sig with model-signing", flag_values=FLAGS
)


def act(values: flags.FlagValues, folder: str) -> int:
    """Check a package and say what was found."""
    from mrjax.sharing.verify import program

    given = {name: str(values[name].value) for name in program.Asked._fields[1:]}
    return program.run(program.Asked(Path(folder), **given))
