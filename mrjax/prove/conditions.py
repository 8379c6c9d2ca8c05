"""The conditions of a proof: their names, command lines and environments."""

import dataclasses
import os
from collections.abc import Sequence

from mrjax.prove.covering import covering
from mrjax.prove.interpreters import Interpreter, clean

ALL = "all"
LEVELS = {
    "isa": ("SSE4_2", "AVX", "AVX2"),
    "threads": ("1", "2"),
    "devices": ("1", "2", "4"),
    "conv": ("lax", "products"),
    "numpy": (ALL, "baseline"),
    "blas": (ALL, "Nehalem"),
}
"""Settings of each factor on a CPU; those of numpy and blas are sets of kernels."""

_FLAGS = {
    "isa": "xla_cpu_isa",
    "threads": "cpu_threads",
    "devices": "devices",
    "conv": "conv_form",
    "gpu": "xla_deterministic",
}
HERE = "-"
"""Setting of a factor that is left to the machine or has no meaning on it."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """One way to run.

    Attributes:
        python: the interpreter.
        platform: "cpu" or "gpu".
        settings: factor -> setting; `HERE` for a factor that is left to the machine.
    """

    python: Interpreter
    platform: str
    settings: dict[str, str]

    @property
    def name(self) -> str:
        """Name that is valid for a folder and unique within a proof."""
        chosen = [f"{factor}={value}" for factor, value in self.settings.items() if value != HERE]
        return ",".join([self.platform, *chosen, self.python.name])

    def flags(self) -> list[str]:
        """Return the flags that the condition adds to a command line."""
        set_here = {k: v for k, v in self.settings.items() if k in _FLAGS and v != HERE}
        flags = [f"--{_FLAGS[factor]}={value}" for factor, value in set_here.items()]
        return [f"--platform={self.platform}", *flags]

    def environ(self) -> dict[str, str]:
        """Return the environment of the condition's processes."""
        found = clean(os.environ)
        if self.settings.get("numpy") == "baseline" and self.python.kernels:
            found["NPY_DISABLE_CPU_FEATURES"] = self.python.kernels
        if self.settings.get("blas", HERE) not in (ALL, HERE):
            found["OPENBLAS_CORETYPE"] = self.settings["blas"]
        return found


def conditions(pythons: Sequence[Interpreter]) -> list[Condition]:
    """Return the machine as it is, then every pair of settings, then its GPU if it has one.

    Args:
        pythons: interpreters with different names; the first one is used for the machine as it is.

    Returns:
        At least ten conditions.
    """
    by_name = {python.name: python for python in pythons}
    unset = dict.fromkeys(LEVELS, HERE)
    found = [Condition(pythons[0], "cpu", unset)]
    for row in covering({**LEVELS, "python": tuple(by_name)}):
        python = by_name[row.pop("python")]
        found.append(Condition(python, "cpu", row))
    for python in pythons:
        if python.gpu:
            modes = ("false", "true")
            found += [Condition(python, "gpu", {**unset, "gpu": mode}) for mode in modes]
    return found
