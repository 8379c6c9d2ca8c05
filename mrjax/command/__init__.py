"""The command line of every program: flags in, an exit code out.

Exit codes: 0 done, 1 the program failed, 2 the user's mistake, 130 interrupted. A mistake is one
line on stderr, and is found before anything is computed. Nothing here imports JAX: an experiment
imports it after the process has restarted in the environment that its flags ask for.
"""

from mrjax.command.elsewhere import alone
from mrjax.command.exits import exit_code
from mrjax.command.experiments import main, main_of
from mrjax.command.parsing import parse, parsed
from mrjax.command.sweeps import program
from mrjax.command.tools import on_host, tool
from mrjax.command.verbs import dispatch

__all__ = [
    "alone",
    "dispatch",
    "exit_code",
    "main",
    "main_of",
    "on_host",
    "parse",
    "parsed",
    "program",
    "tool",
]
