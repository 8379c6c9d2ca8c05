"""``python -m experiments.network --import_WORD=FILE`` and ``--export_WORD=FILE``.

WORD stands for a public program; `mrjax.tasks.registry.Task.public` has the words.
"""

import sys
from pathlib import Path

from absl import flags

from mrjax.errors import UserError
from mrjax.tasks.registry import TASKS

PUBLIC = {task.public: name for name, task in TASKS.items() if task.public}
"""Word of a public program -> the task whose networks it has."""

FLAGS = flags.FlagValues()
for _word in PUBLIC:
    flags.DEFINE_string(f"import_{_word}", None, "state_dict to read", flag_values=FLAGS)
    flags.DEFINE_string(f"export_{_word}", None, "state_dict to write", flag_values=FLAGS)
flags.DEFINE_string("workdir", None, "import: run folder to write", flag_values=FLAGS)
flags.DEFINE_string("from_run", None, "export: run folder to read", flag_values=FLAGS)


def act(values: flags.FlagValues) -> int:
    """Import or export a network, and say where it is."""
    names = [f"{verb}_{word}" for word in PUBLIC for verb in ("import", "export")]
    given = [name for name in names if values[name].value]
    if len(given) != 1:
        raise UserError(
            f"{len(given)} of --{', --'.join(names)} are given; expected exactly one; see --help"
        )
    asked = given[0]
    verb, word = asked.split("_", 1)
    wanted, unused = ("workdir", "from_run") if verb == "import" else ("from_run", "workdir")
    if not values[wanted].value:
        raise UserError(f"--{wanted} is not given; expected a run folder; set it")
    if values[unused].value:
        raise UserError(
            f"--{unused} has no effect beside --{asked}; expected --{wanted} alone; drop it"
        )
    from mrjax.sharing import exchange

    go = exchange.take_over if verb == "import" else exchange.hand_out
    done = go(PUBLIC[word], Path(str(values[asked].value)), Path(str(values[wanted].value)))
    sys.stdout.write(f"{done}\n")
    return 0
