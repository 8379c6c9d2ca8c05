"""Settings every test runs under; they must be in place before jax starts.

``MRJAX_REQUIRE=torch,aot`` turns every skip whose reason names one of these words into a failure:
CI sets it, so that a missing installation there cannot pass for a green run.
"""

import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_X64"] = "1"
# (3,) + (2, 3) is an error: a silent broadcast between ranks is usually a wrong axis.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["JAX_THREEFRY_PARTITIONABLE"] = "1"
# A stored executable is a source of variation of its own; runs record that there is none.
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)

import numpy as np
import pytest

COMPILED = "MRJAX_TEST_COMPILED"
"""Folder of what programs under test compiled (tests/compiled), shared by pytest's processes."""

REQUIRED = tuple(word for word in os.environ.get("MRJAX_REQUIRE", "").split(",") if word)


def pytest_configure(config: pytest.Config) -> None:
    if COMPILED not in os.environ:
        os.environ[COMPILED] = folder = tempfile.mkdtemp(prefix="mrjax-compiled-")
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
