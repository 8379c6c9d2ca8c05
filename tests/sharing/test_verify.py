"""`network verify` from a training to a receipt: applied and trained again in processes."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from experiments_helpers import call
from micro_runs import micro
from programs_here import here

from mrjax.runs import ledger
from mrjax.sharing import package
from mrjax.sharing.verify import child, program, verdict
from mrjax.tasks.package import content, layout, tensors


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The package of a small QSMnet, trained on two devices: XLA's flags record their number."""
    folder = tmp_path_factory.mktemp("made")
    call("qsm", *micro("qsm"), "--n_test=1", "--devices=2", f"--workdir={folder / 'run'}")
    recorded = json.loads((folder / "run" / "environment.json").read_text())["variables"]
    assert recorded["XLA_FLAGS"] == "--xla_force_host_platform_device_count=2"
    call("network", "package", str(folder / "run"), f"--output={folder / 'package'}")
    return package.read(folder / "package")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for what is kept, in place of one below the working directory."""
    monkeypatch.setattr(program, "RUNS", tmp_path / "kept")
    return tmp_path


def outcomes(receipt: dict) -> dict[str, str]:
    return {one["check"]: one["outcome"] for one in receipt["checks"]}


def forged(made, folder, **files: bytes):
    """The package with other files, and the manifest that fits them."""
    shutil.copytree(made.folder, folder)
    for name, new in files.items():
        (folder / name).write_bytes(new)
    listed = {name: (folder / name).read_bytes() for name in layout.FILES}
    (folder / layout.MANIFEST).write_bytes(content.manifest_of(listed))
    return package.read(folder)


def test_a_package_is_applied_and_trained_again_and_gets_a_receipt(made, place):
    copy = shutil.copytree(made.folder, place / "else" / "where")
    file = place / "receipt.json"
    flags = (f"--digest={made.digest}", "--retrain=all", f"--receipt={file}")
    done = here("network", "verify", str(copy), *flags)
    assert done.stdout.splitlines()[-1] == f"verified {made.digest} (not asked for: signature)"
    receipt = json.loads(file.read_text())
    assert receipt["verified"] and receipt["package"] == made.digest
    assert set(outcomes(receipt).values()) == {"passed", "not asked for"}
    own = receipt.pop("digest")
    text = json.dumps(receipt, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == own and own in done.stdout
    assert str(place) not in text
    kept = place / "kept" / made.digest[:12]
    assert str(kept) in done.stdout
    output = np.load(kept / verdict.INFERENCE / child.OUTPUT)
    np.testing.assert_array_equal(output, made.test_output)
    assert ledger.read(kept / verdict.RETRAINING / child.LEDGER) == made.ledger


def test_forged_results_do_not_reproduce(made, place):
    """A fitting manifest does not help a forger."""
    lines = [dict(line) for line in made.ledger]
    lines[1]["grads"] = "0" * 16
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    output = made.test_output.copy()
    output.flat[7] += np.float32(1)
    other = forged(
        made,
        place / "forged",
        **{
            layout.LEDGER: text.encode(),
            layout.TEST_OUTPUT: tensors.dump({layout.OUTPUT: output}),
        },
    )
    flags = ("--retrain=2", f"--receipt={place / 'receipt.json'}")
    done = here("network", "verify", str(other.folder), *flags, check=False)
    assert done.returncode == 1
    assert "1 of 4096 elements differ" in done.stdout and "more than rounding" in done.stdout
    assert "ledger.jsonl, step 2: the gradients differ" in done.stdout
    found = outcomes(json.loads((place / "receipt.json").read_text()))
    assert found["files"] == "passed" and found["inference"] == found["retraining"] == "failed"


def test_what_needs_another_machine_does_not_run(made, place):
    """It is no failure of the package, and no success."""
    config = json.loads((made.folder / layout.CONFIG).read_bytes())
    config["settings"]["of_the_future"] = 1
    other = forged(made, place / "newer", **{layout.CONFIG: layout.readable(config)})
    done = here("network", "verify", str(other.folder), check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "inference: not made. It does not run here" in done.stdout
    assert "setting of_the_future is unknown" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("inference could not be checked")
