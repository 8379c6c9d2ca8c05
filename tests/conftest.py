"""Settings every test runs under; they must be in place before jax starts.

``MRJAX_REQUIRE=torch,aot`` turns every skip whose reason names one of these words into a failure:
CI sets it, so that a missing installation there cannot pass for a green run.
"""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_X64"] = "1"
# (3,) + (2, 3) is an error: a silent broadcast between ranks is usually a wrong axis.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["JAX_THREEFRY_PARTITIONABLE"] = "1"
# scikit-learn sets it when it is imported, which one test of a process would do for the next.
os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "True")
# A stored executable is a source of variation of its own; runs record that there is none.
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)

import numpy as np
import pytest
from as_found import left_as_found
from compiled import quickly

TESTS = Path(__file__).parent
LONGEST = (
    "test_aot.py",
    "experiments/test_contract.py",
    "numerics/reproducible/test_jaxpr.py",
    "numerics/reproducible/test_conv.py",
    "experiments/test_pytorch.py",
    "experiments/test_study.py",
)
"""Files that take longest, the longest first: begun last, one of them alone would set the end."""
LARGE, HUGE = 5 * 2**28, 9 * 2**28
"""Resident memory of a process [bytes] from which on compiled programs are dropped: those of other
files, those of the same file."""

QUICK = ("data", "nets", "physics", "pytorch", "tasks", "train", "test_losses.py")
"""Folders and files whose programs compile as those under test do: no bit of theirs depends on it.
"""
EXACT = ("numerics",)
"""Those where the compiler is what could change a bit: nothing may be left of the others."""

REQUIRED = tuple(word for word in os.environ.get("MRJAX_REQUIRE", "").split(",") if word)


def pytest_configure(config: pytest.Config) -> None:
    if quickly.FOLDER not in os.environ:  # a second process of pytest has the first one's
        os.environ[quickly.FOLDER] = folder = tempfile.mkdtemp(prefix="mrjax-compiled-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip for want of something required into a failure that says so."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    missing = [word for word in REQUIRED if word in reason]
    if missing:
        report.outcome = "failed"
        report.longrepr = f"MRJAX_REQUIRE={','.join(missing)} forbids this skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Skips inside a test or a fixture."""
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skips of a whole file (``pytest.importorskip`` at its top)."""
    report = yield
    _forbid(report)
    return report


@pytest.fixture
def rng() -> np.random.Generator:
    """A fixed generator: a test that fails must fail again."""
    return np.random.default_rng(20221165)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; --no-loadscope-reorder makes pytest-xdist keep this order."""
    rank = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(LONGEST)))


@pytest.fixture(scope="module", autouse=True)
def process_left_by_file() -> Iterator[None]:
    """What fixtures of a whole file change of the process is put back at its end."""
    with left_as_found():
        yield


@pytest.fixture(autouse=True)
def process_left_by_test() -> Iterator[None]:
    """What a test changes of the process is put back at its end."""
    with left_as_found():
        yield


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compile as the programs under test do, or not, by the place of the file."""
    if "jax" in sys.modules and _among(EXACT, request.path):
        quickly.forget()
    if "jax" in sys.modules and _among(QUICK, request.path):
        with quickly.everything():
            yield
    else:
        yield


def _among(names: tuple[str, ...], path: Path) -> bool:
    return any(path.is_relative_to(TESTS / name) for name in names)


@pytest.fixture(scope="module", autouse=True)
def no_programs_of_other_files() -> None:
    """Forget them in time: JAX keeps all that it has compiled."""
    _forget_above(LARGE)


@pytest.fixture(autouse=True)
def bounded_memory() -> None:
    """The same within a file, which then compiles some programs a second time."""
    _forget_above(max(HUGE, _rest[-1] + LARGE))


_rest = [0]
"""Memory that stayed each time [bytes]: to forget once more would not lower it."""


def _forget_above(limit: int) -> None:
    """Drop compiled programs if the process takes more memory than this [bytes]."""
    if "jax" in sys.modules and _resident() > limit:
        sys.modules["jax"].clear_caches()
        gc.collect()
        _rest.append(_resident())


def _resident() -> int:
    """Memory of this process [bytes]; where Linux does not tell, as if it were large."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return LARGE + 1
    return pages * os.sysconf("SC_PAGE_SIZE")
