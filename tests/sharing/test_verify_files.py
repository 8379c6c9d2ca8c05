"""What `network verify` finds out without computing: damage, contradictions, origin, signature."""

import dataclasses
import json
import os
import random
import sys
from collections import Counter
from types import ModuleType, SimpleNamespace

import pytest
from experiments_helpers import refused
from programs_here import here
from sharing.package_mutations import mutated
from sharing.packages_here import OLDER, files_of, put, quick

from mrjax.errors import UserError
from mrjax.runs import digests
from mrjax.runs.lock import Lock
from mrjax.sharing.verify import checks, program
from mrjax.sharing.verify.findings import FAILED, NOT_ASKED, NOT_MADE, PASSED, code
from mrjax.tasks.package import content, layout

MUTATIONS = int(os.environ.get("MRJAX_DAMAGED", "150"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A package whose test input is none of its network's; nothing here applies it."""
    return quick(OLDER, tmp_path_factory.mktemp("package") / "whole")


@pytest.fixture
def copy(whole, tmp_path):
    return put(tmp_path / "copy", files_of(whole.folder))


@pytest.fixture(autouse=True)
def nothing_computed(monkeypatch):
    def fail(*arguments):
        raise AssertionError("a network was applied")

    monkeypatch.setattr(program, "_child", fail)


def test_a_whole_package_passes_and_says_what_this_does_not_show(whole):
    found, package = checks.files(whole.folder)
    assert found.outcome == PASSED and "not who made them" in found.said
    assert package.digest == whole.digest
    told = checks.origin("", whole.digest)
    assert told.outcome == NOT_ASKED and whole.digest in told.said


@pytest.mark.parametrize("name", layout.FILES)
def test_one_flipped_bit_is_found_in_the_file_that_has_it(name, copy):
    path = copy / name
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    done = here("network", "verify", str(copy), check=False)
    assert done.returncode == 1 and not done.stderr
    assert "files: failed" in done.stdout and name in done.stdout
    assert done.stdout.splitlines()[-1].startswith("NOT VERIFIED")


def forged(package, **changes):
    return checks.contradictions(dataclasses.replace(package, **changes))


def test_contradictions_are_named_by_file_and_field(whole):
    assert not forged(whole)
    short = forged(whole, ledger=whole.ledger[:-1])
    assert short == ["ledger.jsonl, step: 3 lines, config.json has result.steps 4"]
    gap = [whole.ledger[0], *whole.ledger[2:], {**whole.ledger[-1], "step": 5}]
    assert "ledger.jsonl, step" in forged(whole, ledger=gap)[0]
    (steps,) = forged(whole, settings={**whole.settings, "steps": 5})
    assert steps.startswith("config.json, settings.steps: 5")
    leaf = next(iter(whole.weights.params))
    params = dict(whole.weights.params) | {leaf: whole.weights.params[leaf] + 1}
    (weights,) = forged(whole, weights=whole.weights._replace(params=params))
    assert weights.startswith("model.safetensors:") and "result.digests.params" in weights
    output = whole.test_output.copy()
    output[0, 0] = float("nan")
    assert forged(whole, test_output=output) == [
        "test/output.safetensors: an element is not finite"
    ]


def test_the_last_line_of_an_order_free_ledger_is_that_of_the_weights(whole):
    leaves = {f"params/{k}": v for k, v in whole.weights.params.items()}
    last = {**whole.ledger[-1], "params": digests.hex64(digests.fingerprint(leaves))}
    good = [*whole.ledger[:-1], last]
    assert not forged(whole, exact=True, ledger=good)
    (said,) = forged(whole, exact=True, ledger=[*good[:-1], {**last, "params": "0" * 16}])
    assert said.startswith(f"ledger.jsonl, step 4, params: {'0' * 16}")


def test_a_forger_is_found_by_the_printed_digest_alone(whole, copy):
    files = files_of(copy)
    card = files[layout.CARD] + b"\nBetter than all others.\n"
    files = {k: v for k, v in files.items() if k != layout.MANIFEST} | {layout.CARD: card}
    put(copy, {**files, layout.MANIFEST: content.manifest_of(files)})
    found, package = checks.files(copy)
    assert found.outcome == PASSED
    assert checks.origin(whole.digest, package.digest).outcome == FAILED
    assert checks.origin(whole.digest[:16], whole.digest).outcome == PASSED


def test_nothing_in_a_package_that_contradicts_itself_is_computed_with(copy):
    files = files_of(copy)
    files[layout.LEDGER] = b"".join(files[layout.LEDGER].splitlines(keepends=True)[:-1])
    del files[layout.MANIFEST]
    put(copy, {**files, layout.MANIFEST: content.manifest_of(files)})
    done = here("network", "verify", str(copy), check=False)
    assert done.returncode == 1 and "ledger.jsonl, step: 3 lines" in done.stdout


@pytest.mark.parametrize("digest", ["abc", "A" * 64, "0" * 65, "0" * 15, "g" * 64])
def test_what_is_no_digest_is_refused(digest, copy):
    refused(here("network", "verify", str(copy), f"--digest={digest}", check=False), "--digest")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--retrain=0"], ["4 training steps"]),
        (["--retrain=5"], ["1 to 4"]),
        (["--retrain=some"], ["--retrain=some"]),
        (["--retrain=" + "9" * 5000], ["--retrain"]),
        (["--data_dir=/tmp"], ["--data_dir=/tmp has no effect"]),
        (["--receipt=/nowhere/r.json"], ["/nowhere/r.json"]),
        (["--public_key=/nowhere.pem"], ["/nowhere.pem"]),
        (["more"], ["DIR"]),
    ],
)
def test_mistakes_end_in_one_line(flags, words, copy):
    refused(here("network", "verify", str(copy), *flags, check=False), *words)


def test_a_folder_that_is_no_package_is_a_mistake(tmp_path):
    refused(here("network", "verify", str(tmp_path), check=False), "is no package")
    refused(here("network", "verify", str(OLDER), check=False), "is no package")


def test_training_with_files_or_from_another_network_is_said_to_need_them(whole):
    asked = program.Asked(whole.folder, retrain="all")
    files = dataclasses.replace(whole, settings={**whole.settings, "dataset": "fastmri"})
    with pytest.raises(UserError, match=r"--dataset=fastmri.*give --data_dir"):
        program._steps(asked, files)
    assert program._steps(asked._replace(data_dir="/data"), files) == 4
    many = dataclasses.replace(whole, settings={**whole.settings, "processes": 2})
    with pytest.raises(UserError, match="--processes=2 trained"):
        program._steps(asked, many)
    with pytest.raises(UserError, match="began with another network"):
        program._steps(asked, dataclasses.replace(whole, fine_tuned=True))


def test_signatures(whole, copy, tmp_path, monkeypatch):
    key = tmp_path / "key.pem"
    key.write_text("a key")
    assert checks.signature(copy, "").said == "There is none."
    unsigned = checks.signature(copy, str(key))
    assert (unsigned.outcome, unsigned.said) == (FAILED, "manifest.sig is missing.")
    (copy / layout.SIGNATURE).write_text("{}")
    assert checks.signature(copy, "").outcome == NOT_ASKED
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    absent = checks.signature(copy, str(key))
    assert absent.outcome == NOT_MADE and "pip install model-signing" in absent.said
    assert code([absent]) == 3
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: object())
    errors = ((None, PASSED), (ValueError("sign\nature"), FAILED), (ImportError("x"), NOT_MADE))
    for error, outcome in errors:
        signing(monkeypatch, error)
        assert checks.signature(copy, str(key)).outcome == outcome


def signing(monkeypatch, error: Exception | None) -> None:
    """A stand-in for model-signing that accepts or refuses."""

    class Config:
        def use_elliptic_key_verifier(self, *, public_key):
            return self

        def verify(self, model, signature):
            if error:
                raise error

    module = ModuleType("model_signing")
    module.verifying = SimpleNamespace(Config=Config)
    monkeypatch.setitem(sys.modules, "model_signing", module)


def test_two_at_once_do_not_take_each_other_s_results(copy, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(program, "RUNS", tmp_path / "kept")
    out = tmp_path / "kept" / whole.digest[:12]
    out.mkdir(parents=True)
    lock = Lock(out / ".lock")
    done = here("network", "verify", str(copy), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: another process writes what it computes to {out};")
    lock.release()
    with pytest.raises(AssertionError, match="a network was applied"):
        here("network", "verify", str(copy))


def test_a_damaged_package_gets_a_receipt_that_says_so(copy, tmp_path):
    (copy / layout.LEDGER).write_bytes(b"")
    file = tmp_path / "receipt.json"
    done = here("network", "verify", str(copy), f"--receipt={file}", check=False)
    receipt = json.loads(file.read_text())
    assert done.returncode == 1 and not receipt["verified"]
    assert receipt["checks"][0]["outcome"] == FAILED and receipt["digest"] in done.stdout


def test_mutated_packages_are_never_verified(whole, tmp_path):
    files, rng = files_of(whole.folder), random.Random(0)
    outcomes: Counter[str] = Counter()
    for number in range(MUTATIONS):
        changed, done = mutated(files, rng)
        folder = put(tmp_path / "mutated", changed)
        try:
            first, package = checks.files(folder)
            found = [first]
            if package:
                found.append(checks.origin(whole.digest, package.digest))
        except UserError:
            outcomes["no package"] += 1
            continue
        assert code(found) == 1, (number, done)
        outcomes[found[-1].check] += 1
    assert set(outcomes) == {"files", "origin", "no package"}, outcomes
