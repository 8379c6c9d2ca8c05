"""``python -m experiments.network --import_varnet=FILE`` and ``--export_varnet=FILE``."""

import sys
from pathlib import Path

from absl import flags

from mrjax.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("import_varnet", None, "state_dict to read", flag_values=FLAGS)
flags.DEFINE_string("export_varnet", None, "state_dict to write", flag_values=FLAGS)
flags.DEFINE_string("workdir", None, "import: run folder to write", flag_values=FLAGS)
flags.DEFINE_string("from_run", None, "export: run folder to read", flag_values=FLAGS)


def act(values: flags.FlagValues) -> int:
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

    go = exchange.take_over if values.import_varnet else exchange.hand_out
    done = go(Path(str(values[asked].value)), Path(str(values[wanted].value)))
    sys.stdout.write(f"{done}\n")
    return 0
