"""The course of a proof, whose runs are replaced by files with their results."""

import hashlib
import signal
from pathlib import Path

import pytest

from mrjax.children import Ended
from mrjax.errors import UserError
from mrjax.prove import proof
from mrjax.prove.conditions import LEVELS
from mrjax.prove.interpreters import Interpreter
from mrjax.runs import result

PYTHON = Interpreter("python", "3.11.7", "0.10.2", "2.4.6", "X86_V3", False)
ISAS = len(LEVELS["isa"]) + 1


class Runs:
    """Replaces all processes; native digests depend on the instruction set."""

    def __init__(self, **ends: Ended) -> None:
        self.ends, self.commands = ends, []

    def __call__(self, command, environ, on_line):
        self.commands.append(command)
        flags = dict(word.split("=", 1) for word in command if word.startswith("--"))
        if (numerics := flags["--numerics"]) in self.ends:
            return self.ends[numerics]
        said = "native" + flags.get("--xla_cpu_isa", "") if numerics == "native" else "same"
        self.finish(Path(flags["--workdir"]), said)
        return Ended(0, "finished", None)

    def finish(self, workdir: Path, said: str) -> None:
        outputs = dict.fromkeys(("params", "predictions"), hashlib.sha256(said.encode()))
        inputs = dict.fromkeys(("init", "order", "data"), hashlib.sha256(b"inputs"))
        workdir.mkdir(parents=True)
        content = {
            "schema_version": result.SCHEMA_VERSION,
            "experiment": "qsm",
            "framework": "jax",
            "level": "machine_to_machine",
            "steps": 1,
            "subjects": [],
            "metrics": {},
            "baselines": {},
            "digests": {k: v.hexdigest() for k, v in (inputs | outputs).items()},
            "seconds": dict.fromkeys(result.SECONDS, 0.0),
            "memory_bytes": None,
        }
        result.write(workdir, content)


@pytest.fixture
def prove(monkeypatch, tmp_path):
    """Run a proof in which the processes are `runs`."""
    monkeypatch.setattr(proof, "ask", lambda path: PYTHON)

    def prove(runs: Runs) -> int:
        monkeypatch.setattr(proof.children, "run", runs)
        return proof.run(proof.Proof("breast", ["--preset=tiny"], ["python"], str(tmp_path)))

    return prove


def test_a_proof_runs_every_condition_twice_and_writes_its_table(prove, tmp_path, capsys):
    runs = Runs()
    assert prove(runs) == 0
    words = [" ".join(command) for command in runs.commands]
    assert all("experiments.breast --preset=tiny --fold=0 --platform=cpu" in w for w in words)
    assert sum("--numerics=native" in w for w in words) * 2 == len(words) >= 20
    page = (tmp_path / "proof.txt").read_text()
    assert page in capsys.readouterr().out
    assert f"native: {ISAS} params digests" in page
    assert f"reproducible: 1 params digest and 1 predictions digest from {len(words) // 2}" in page
    assert page.rstrip().endswith("bit for bit")


def test_a_failed_run_is_shown_and_nothing_is_proved(prove, tmp_path, capsys):
    assert prove(Runs(native=Ended(1, "error: out of memory", None))) == 1
    assert "failed: error: out of memory" in capsys.readouterr().out
    assert "not every run finished" in (tmp_path / "proof.txt").read_text()


def test_a_mistake_ends_the_proof_at_once(prove, tmp_path):
    runs = Runs(native=Ended(2, "error: unknown flag --stepps; see --help", None))
    with pytest.raises(UserError, match=r"^unknown flag --stepps"):
        prove(runs)
    assert len(runs.commands) == 1 and not (tmp_path / "proof.txt").exists()


def test_a_signal_ends_the_proof(prove):
    runs = Runs(reproducible=Ended(-15, "", signal.SIGTERM))
    assert prove(runs) == 128 + signal.SIGTERM
    assert len(runs.commands) == 2


def test_code_that_changes_meanwhile_proves_nothing(prove, monkeypatch, tmp_path):
    codes = iter(["a" * 64, "b" * 64])
    monkeypatch.setattr(proof, "sources", lambda: next(codes))
    assert prove(Runs()) == 1
    page = (tmp_path / "proof.txt").read_text()
    assert "the code changed during the runs" in page and "bit for bit" not in page


def test_other_code_or_flags_have_another_folder():
    roots = [proof.Proof("qsm", flags, []).root for flags in ([], ["--steps=2"])]
    assert len(set(roots)) == 2
    assert all(root.parent == Path("runs", "prove") for root in roots)
