"""The process in which a side takes a step again, but with few of its results seen at first.

`diverge.matrix --brute_force` starts this in place of `mrjax.diverge.retake`: of the results that
the compiled step has in memory, only every twentieth is asked for. The closer look is as usual.
"""

import sys
from unittest import mock

from mrjax.diverge.retake import __main__ as program
from mrjax.diverge.retake import taking
from mrjax.diverge.retake.watched import Watched

EVERY = 20
_KEPT = Watched.kept

if __name__ == "__main__":
    with (
        mock.patch.object(taking, "everything", lambda *_: None),
        mock.patch.object(Watched, "kept", lambda self: _KEPT(self)[::EVERY]),
    ):
        program.main(sys.argv[1:])
