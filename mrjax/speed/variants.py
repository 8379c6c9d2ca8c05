"""The timed variants of a training step. This module imports neither JAX nor PyTorch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mrjax.tasks import registry
from mrjax.tasks.registry import PYTORCH

JAX = "jax"


class Variant(NamedTuple):
    """One way to compute a training step.

    Attributes:
        framework: `JAX` or `PYTORCH`.
        numbers: type of the products, a key of the record of `mrjax.speed.peak`.
        fields: fields of the configuration that differ from its defaults.
    """

    framework: str
    numbers: str
    fields: Mapping[str, Any]

    def fields_for(self, task: str) -> dict[str, Any]:
        """Return the fields that have an effect on a task."""
        formats = registry.TASKS[task].formats
        return {k: v for k, v in self.fields.items() if formats or k != "channels_last"}


_TF32 = {"matmul_precision": "default"}
_BFLOAT16 = {"dtype": "bfloat16", **_TF32}
_LAST = {"channels_last": True, "cudnn_benchmark": True}
_COMPILED = {**_LAST, "compile": True}

VARIANTS: Mapping[str, Variant] = {
    "jax_float32": Variant(JAX, "float32", {}),
    "pytorch_float32": Variant(PYTORCH, "float32", _LAST),
    "jax_tf32": Variant(JAX, "tf32", _TF32),
    "pytorch_tf32": Variant(PYTORCH, "tf32", {**_LAST, **_TF32}),
    "jax_deterministic": Variant(JAX, "float32", {"xla_deterministic": True}),
    "jax_orderfree": Variant(JAX, "float64", {"numerics": "reproducible"}),
    "jax_bfloat16": Variant(JAX, "bfloat16", _BFLOAT16),
    "pytorch_bfloat16": Variant(PYTORCH, "bfloat16", {**_LAST, **_BFLOAT16}),
    "pytorch_float32_compiled": Variant(PYTORCH, "float32", _COMPILED),
    "pytorch_tf32_compiled": Variant(PYTORCH, "tf32", {**_COMPILED, **_TF32}),
}
"""Name -> variant, the most wanted measurement first.

JAX chooses its algorithms by timing by default; PyTorch is told to do so here. The variational
network in PyTorch has the form tuned for speed, not that of the public code.
"""


def of(task: str) -> list[str]:
    """Return the names of the variants that can be timed for a task."""
    compiles = registry.TASKS[task].compiles
    return [name for name, one in VARIANTS.items() if compiles or not one.fields.get("compile")]
