"""The stub's program: registered as a fourth line of the registry would."""

from pathlib import Path

import mrjax.tasks
from mrjax import command
from mrjax.tasks import registry


def register() -> None:
    mrjax.tasks.__path__.append(str(Path(__file__).parent))
    registry.TASKS["stub"] = registry.Task(
        title="a stub", metrics=("nrmse",), output="a number", sizes=("n_train", "batch_size")
    )


if __name__ == "__main__":
    register()
    command.main(*registry.program("stub"), "mrjax.tasks.program:run")
