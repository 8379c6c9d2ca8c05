"""Records anyone's training as a run folder: `recorder.py` for PyTorch, which can be copied alone.

from mrjax.recorder import Recorder
"""

from mrjax.recorder.recorder import Recorder, RecorderError, lightning_callback

__all__ = ["Recorder", "RecorderError", "lightning_callback"]
