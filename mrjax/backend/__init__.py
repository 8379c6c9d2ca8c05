"""The machine under a run: which flags XLA gets, on which device, and what it made of them.

JAX reads its environment when it is imported and XLA_FLAGS when its first device is used; what is
set later is silently ignored. So a run is planned first, without JAX (`plan`), then the process
starts itself again in the planned environment (`reexec`), and only then JAX comes up and is asked
what it understood (`start`).
"""

from mrjax.backend.failures import explained, told
from mrjax.backend.levels import LEVELS, level, without_effect, xla_flags
from mrjax.backend.planning import Plan, plan
from mrjax.backend.process import reexec
from mrjax.backend.startup import Backend, start

__all__ = [
    "LEVELS",
    "Backend",
    "Plan",
    "explained",
    "level",
    "plan",
    "reexec",
    "start",
    "told",
    "without_effect",
    "xla_flags",
]
