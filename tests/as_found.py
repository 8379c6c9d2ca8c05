"""What a test may change of its process and the next one would meet.

A program sets environment variables and PyTorch's switches for its whole process, which for a test
is everyone's. Which tests share a process differs from one run of the suite to the next, so that
what one of them leaves behind fails another now and then.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def left_as_found() -> Iterator[None]:
    """Put environment variables and PyTorch's switches back at the end."""
    with variables(), switches_of_torch():
        yield


@contextlib.contextmanager
def variables() -> Iterator[None]:
    """Those of the environment; one that did not change is not written, for other threads read."""
    environ = os.environ
    before = dict(environ)
    try:
        yield
    finally:
        for name in environ.keys() - before.keys():
            del environ[name]
        for name, value in before.items():
            if environ.get(name) != value:
                environ[name] = value


@contextlib.contextmanager
def switches_of_torch() -> Iterator[None]:
    """Those that PyTorch keeps for the whole process, if it is imported."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    cudnn, matrix = torch.backends.cudnn, torch.backends.cuda.matmul
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    switches = cudnn.benchmark, cudnn.deterministic
    precisions = matrix.fp32_precision, cudnn.conv.fp32_precision
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        cudnn.benchmark, cudnn.deterministic = switches
        matrix.fp32_precision, cudnn.conv.fp32_precision = precisions
