"""The two ways a command ends without a traceback."""


class UserError(Exception):
    """A mistake of the user: one line that says what is wrong, what was expected, what to do.

    Command lines print it after ``error:`` and exit with code 2, before training starts.
    """


class RunFailed(Exception):
    """A run that cannot go on (a loss that is not finite, say); one line, exit code 1.

    Everything written so far stays: ledger, checkpoints, records.
    """
