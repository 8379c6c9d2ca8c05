"""The two kinds of error that end a command without a traceback."""


class UserError(Exception):
    """A mistake of the user; one line says what is wrong, what was expected and what to do.

    A command prints the line after ``error:`` and exits with code 2, before training starts.
    """


class RunFailed(Exception):
    """A run that cannot go on, for instance because its loss is not finite.

    A command prints one line and exits with code 1. The ledger, checkpoints and records written so
    far stay.
    """
