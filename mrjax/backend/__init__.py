"""The machine under a run: the flags that XLA gets, the device, and the flags that XLA then has.

JAX reads its environment when it is imported and XLA_FLAGS when its first device is used; a later
setting is silently ignored. So a run is planned first, without JAX (`plan`); then the process
starts itself again in the planned environment (`reexec`); only then JAX is started, and its actual
settings are read back (`start`).
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
