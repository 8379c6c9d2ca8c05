"""What `network verify` says of results: equal, rounding that is to be expected, or neither."""

import dataclasses
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from mrjax import children
from mrjax.errors import UserError
from mrjax.sharing.package.variables import ROOT, environ
from mrjax.sharing.verify import child, findings, program, receipt, settings, verdict
from mrjax.sharing.verify.findings import FAILED, NOT_ASKED, NOT_MADE, PASSED, ROUNDED, Finding

LEDGER = [
    {"step": i, "loss": 0.5, "loss_hex": "0x1.0p-1", "batch": "1" * 16, "grads": f"{i}" * 16,
     "params": f"{i + 3}" * 16}
    for i in (1, 2, 3)
]  # fmt: skip
DIGESTS = {name: f"{i}" * 64 for i, name in enumerate(verdict.DIGESTS)}
ELSEWHERE = ["backend.versions.jax 0.10.2 there, 0.11.2 here"]


@dataclasses.dataclass(frozen=True)
class Package:
    """What a verdict takes from a package."""

    level: str = "not_guaranteed"
    test_output: np.ndarray = dataclasses.field(
        default_factory=lambda: np.linspace(-1, 1, 1000, dtype=np.float32)
    )
    ledger: list = dataclasses.field(default_factory=lambda: LEDGER)
    result: dict = dataclasses.field(default_factory=lambda: {"steps": 3, "digests": DIGESTS})
    task: str = "qsm"
    exact: bool = False
    settings: dict = dataclasses.field(default_factory=dict)
    environment: dict = dataclasses.field(default_factory=dict)


def config(dtype: str = "float32", matmul_precision: str = "highest") -> SimpleNamespace:
    return SimpleNamespace(dtype=dtype, matmul_precision=matmul_precision)


def judged(package, output, differences=(), **of_config) -> Finding:
    return verdict.inference(package, config(**of_config), output, differences)


def ulp_away(package: Package) -> np.ndarray:
    """Two of the thousand elements by one unit in the last place."""
    found = package.test_output.copy()
    found[[5, 700]] = np.nextafter(found[[5, 700]], np.float32(2))
    return found


def test_equal_bits_pass():
    assert judged(Package(), Package().test_output.copy(), ELSEWHERE).outcome == PASSED


def test_rounding_is_measured_and_to_be_expected_elsewhere():
    found = judged(Package(), ulp_away(Package()), ELSEWHERE)
    assert found.outcome == ROUNDED
    assert "2 of 1000 elements differ (2000 per million), by at most 1 ulp" in found.said
    assert ELSEWHERE[0] in found.said and found.facts["bound"] == 2.0**-15


@pytest.mark.parametrize(
    ("level", "differences", "outcome"),
    [
        ("machine_to_machine", ELSEWHERE, FAILED),
        ("machine_to_machine", [], FAILED),
        ("run_to_run", [], FAILED),
        ("run_to_run", ELSEWHERE, ROUNDED),
        ("not_guaranteed", [], ROUNDED),
    ],
)
def test_one_ulp_by_level_and_machine(level, differences, outcome):
    package = Package(level=level)
    found = judged(package, ulp_away(package), differences)
    assert found.outcome == outcome
    assert ("not to be expected" in found.said) == (outcome == FAILED) and level in found.said


def test_more_than_rounding_fails_by_the_precision_of_the_numbers():
    output = Package().test_output
    coarse = output + np.float32(0.01)
    assert judged(Package(), coarse, ELSEWHERE).outcome == FAILED
    assert judged(Package(), coarse, ELSEWHERE, dtype="bfloat16").outcome == ROUNDED
    assert judged(Package(), coarse, ELSEWHERE, matmul_precision="high").outcome == ROUNDED
    assert judged(Package(), output + 2, ELSEWHERE, dtype="bfloat16").outcome == FAILED


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_fails(value):
    broken = Package().test_output.copy()
    broken[3] = value
    assert judged(Package(), broken, ELSEWHERE).outcome == FAILED


def test_an_output_of_another_kind_fails_and_complex_ones_are_compared():
    output = Package().test_output
    for other in (output[:-1], output.astype(np.float64), output + 0j):
        assert judged(Package(), other, ELSEWHERE).outcome == FAILED
    package = Package(test_output=(output + 1j).astype(np.complex64))
    assert judged(package, package.test_output.copy()).outcome == PASSED
    assert judged(package, package.test_output + np.complex64(0.1j)).outcome == FAILED


def retrained(lines, digests=None, package=None, steps=3, differences=()) -> Finding:
    return verdict.retraining(package or Package(), steps, lines, digests or {}, differences)


def test_equal_steps_pass_and_say_how_many():
    assert "all 3 steps" in (whole := retrained(LEDGER, DIGESTS)).said
    assert whole.outcome == PASSED and "predictions" in whole.said
    part = retrained(LEDGER[:2], steps=2)
    assert part.outcome == PASSED and "the first 2 of 3 steps" in part.said


def test_the_first_step_and_quantity_that_differ_are_named():
    parted = [LEDGER[0], {**LEDGER[1], "params": "f" * 16, "grads": "e" * 16}]
    found = retrained(parted, differences=ELSEWHERE)
    assert found.outcome == FAILED and "step 2: the gradients differ" in found.said
    assert "e" * 16 in found.said and "to be expected: level not_guaranteed" in found.said
    assert found.facts["first_difference"] == {"step": 2, "quantity": "grads"}
    assert "the steps before are equal" in found.said
    none_before = retrained([{**LEDGER[0], "grads": "e" * 16}])
    assert "step 1: the gradients" in none_before.said and "before" not in none_before.said
    promised = retrained(parted, package=Package(level="machine_to_machine"))
    assert "not to be expected" in promised.said
    beyond = retrained([*LEDGER, {**LEDGER[2], "step": 4}], steps=4)
    assert beyond.outcome == FAILED and "no such step" in beyond.said


def test_steps_that_were_not_taken_do_not_pass():
    assert retrained(LEDGER[:1]).outcome == NOT_MADE
    assert retrained([]).outcome == NOT_MADE


@pytest.mark.parametrize("name", verdict.DIGESTS)
def test_another_beginning_or_end_fails(name):
    found = retrained(LEDGER, {**DIGESTS, name: "f" * 64})
    assert found.outcome == FAILED and name in found.said
    assert ("begins otherwise" in found.said) == (name in ("init", "order", "data"))


def test_exit_codes_and_last_lines_tell_failure_and_absence_apart():
    passed, left = Finding("files", PASSED, ""), Finding("origin", NOT_ASKED, "")
    rounded = Finding("inference", ROUNDED, "")
    absent, failed = Finding("retraining", NOT_MADE, ""), Finding("inference", FAILED, "")
    assert findings.code([passed, left]) == 0 and findings.code([passed, rounded]) == 0
    assert findings.code([passed, absent]) == 3 and findings.code([absent, failed]) == 1
    assert findings.conclusion([passed, left], "ab") == "verified ab (not asked for: origin)"
    assert "up to rounding in: inference" in findings.conclusion([passed, rounded], "ab")
    for one, words in ((absent, "retraining could not be checked"), (failed, "inference failed")):
        assert findings.conclusion([passed, one], "ab") == f"NOT VERIFIED ab: {words}"


@pytest.fixture
def ended(monkeypatch, tmp_path):
    """Let a child end so, instead of being started."""

    def end(code: int, last: str, late: bool = False) -> None:
        found = children.Ended(code, last, None, late)
        monkeypatch.setattr(children, "run", lambda *arguments: found)

    monkeypatch.chdir(tmp_path)
    return end


def test_what_does_not_run_is_told_apart_from_what_does_not_reproduce(ended, tmp_path):
    package = dataclasses.replace(Package(), settings={"numerics": "native"})
    for code, last in ((2, "error: no GPU"), (1, "Traceback"), (-9, "")):
        ended(code, last)
        found = program._inferred(package, children.run([]), tmp_path)
        assert found.outcome == NOT_MADE and "says nothing about its results" in found.said
        assert (last.removeprefix("error: ") or "exit code -9") in found.said
        assert program._retrained(package, 3, children.run([]), tmp_path).outcome == NOT_MADE
    (tmp_path / child.RETRAINED).write_text(json.dumps({"digests": {}}))
    (tmp_path / child.ENVIRONMENT).write_text("{}")
    died = program._retrained(package, 3, children.run([]), tmp_path)
    assert died.outcome == NOT_MADE and "does not run" in died.said


def test_what_an_earlier_child_left_is_taken_for_nothing(ended, tmp_path):
    ended(0, "")
    package = SimpleNamespace(folder=tmp_path, environment={})
    for name in (child.OUTPUT, child.LEDGER, child.RETRAINED, child.ENVIRONMENT):
        (tmp_path / name).write_text("of an earlier one")
    program._child(package, "infer", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_the_digest_of_a_receipt_covers_all_other_entries(tmp_path):
    made = receipt.content("ab", None, [Finding("inference", NOT_MADE, "x")], ROOT)
    digests = {receipt.write(tmp_path / "r.json", made)}
    written = json.loads((tmp_path / "r.json").read_text())
    assert written == made | {"digest": min(digests)}
    digests |= {receipt.write(tmp_path / "r.json", made | {name: "other"}) for name in made}
    assert len(digests) == 1 + len(made)


def test_a_receipt_names_no_folder():
    said = "It does not run: --data_dir=/home/me/x, y.mat cannot be read (/tmp/a b/log.txt)."
    content = receipt.content("ab", None, [Finding("inference", NOT_MADE, said)], ROOT)
    told = content["checks"][0]["said"]
    assert "/home" not in told and "/tmp" not in told and "test/output" not in told
    kept = Finding("files", FAILED, "test/output.safetensors: 2/3")
    assert receipt.content("ab", None, [kept], ROOT)["checks"][0]["said"] == kept.said


def test_a_package_cannot_load_libraries_or_write_files(monkeypatch):
    """Its variables go into the environment of a process."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_of_this_machine")
    odd = dict(
        CUDA_INJECTION64_PATH="/tmp/evil.so", OMP_TOOL_LIBRARIES="evil.so", LD_PRELOAD="evil.so",
        XLA_FLAGS="--xla_dump_to=/tmp/x", PYTHONPATH="/tmp/evil", NPROC=3, PATH="evil",
    )  # fmt: skip
    taken = environ({"variables": odd})
    assert not {"CUDA_INJECTION64_PATH", "OMP_TOOL_LIBRARIES", "XLA_FLAGS", "NPROC"} & set(taken)
    assert taken.get("LD_PRELOAD") != "evil.so"
    assert "evil" not in taken["PYTHONPATH"] and taken["PATH"] == os.environ["PATH"]
    flags = "--xla_a=1 --xla_force_host_platform_device_count=2 --xla_b"
    good = environ({"variables": {"XLA_FLAGS": flags, "OMP_NUM_THREADS": "1"}})
    assert good["XLA_FLAGS"] == "--xla_a=1 --xla_b=true" and good["OMP_NUM_THREADS"] == "1"
    for text in ("--xla_cpu_max_isa=AVX2", "flags.txt"):  # of a setting; XLA would read a file
        assert "XLA_FLAGS" not in environ({"variables": {"XLA_FLAGS": text}})
    assert environ({})["PYTHONPATH"]


def test_environments_are_compared_where_both_say_something():
    there = {
        "python": "3.11.7",
        "cpu": {"model": "a"},
        "backend": {"x64": True},
    }
    here = {"python": "3.12.1", "cpu": {"model": "a", "logical": 2}, "system": {"libc": "x"},
            "backend": {"x64": True, "file": "/tmp", "cache": "off"}, "packages": {"a": "1"},
            "variables": {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "2"}}  # fmt: skip
    found = settings.differences(there, here)
    assert found == [
        "python 3.11.7 there, 3.12.1 here",
        "variables.OMP_NUM_THREADS none there, 2 here",
    ]
    resumed = {"python": "3.10.1", "resumed_with": [{"python": "3.11.1"}, there]}
    assert settings.differences(resumed, here) == found  # the last steps were taken there


def test_settings_of_another_version_are_refused():
    package = Package(settings={"numerics": "native", "of_the_future": 1})
    with pytest.raises(UserError, match="setting of_the_future is unknown"):
        settings.configuration(package)


def test_order_free_arithmetic_is_checked_on_the_machine_at_hand():
    kept = {"numerics": "reproducible", "platform": "gpu", "devices": 4, "width": 3}
    package = Package(settings=kept, exact=True)
    for found in (settings.configuration(package), settings.applied(package)):
        assert (found.platform, found.devices, found.width) == ("auto", 1, 3)
    native = Package(settings={**kept, "numerics": "native", "devices": 1})
    assert settings.configuration(native).platform == "gpu"
    assert settings.applied(native).platform == "cpu"
