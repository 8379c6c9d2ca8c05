"""Records anyone's training as a run folder.

``from mrjax.recorder import Recorder`` records a loop in PyTorch; its file `recorder.py` can also
be copied alone. ``from mrjax.recorder import JaxRecorder`` records a loop in JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrjax.recorder.jax_loop import JaxRecorder
    from mrjax.recorder.recorder import Recorder, RecorderError, lightning_callback

__all__ = ["JaxRecorder", "Recorder", "RecorderError", "lightning_callback"]


def __getattr__(name: str) -> Any:
    """Import a recorder when it is asked for: a loop in JAX needs no torch, and the reverse."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "jax_loop" if name == "JaxRecorder" else "recorder"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
