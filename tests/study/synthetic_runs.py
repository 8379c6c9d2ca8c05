"""Run folders that follow the schema, with made-up numbers: studies without a training.

``python tests/study/synthetic_runs.py DIR ARMS REPLICATES`` makes a large one to time reports on.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mrjax.runs import result
from mrjax.study.records import Arm, Run, Study, write_study

SOURCES = ("init", "order", "dtype", "threads", "isa", "deterministic", "repetition", "framework")
SUBJECTS = tuple(f"brain{n}" for n in range(8))


def sha(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def arm(name: str, source: str, *flags: str, kind: str = "training", problem: str = "") -> Arm:
    return Arm(name=name, source=source, flags=flags, kind=kind, problem=problem)


def study(arms: Sequence[Arm], replicates: int = 5, **changes: object) -> Study:
    """A plan; the baseline arm is added."""
    fields = {
        "name": "synthetic",
        "experiment": "qsm",
        "baseline": ("--preset=tiny",),
        "arms": (arm("baseline", "baseline"), *arms),
        "replicates": replicates,
        "pairing": "seed",
        "cross": {},
        "seed": 0,
        "platform": "cpu",
        "metric": "nrmse",
        "margin": 0.02,
        "margin_kind": "relative",
        "command": "",
    }
    return Study(**(fields | changes))


def runs(planned: Study) -> list[Run]:
    """The runs of a plan, as the design makes them but in order."""
    reference = "runs/baseline/000"
    return [
        Run(
            arm=one.name,
            label=f"{r:03d}",
            replicate=r,
            factors={},
            argv=(*planned.baseline, *one.flags),
            workdir=f"runs/{one.name}/{r:03d}",
            requires=reference if one.kind == "inference" else "",
        )
        for one in planned.arms
        if not one.problem
        for r in range(planned.replicates)
    ]


def crossed_runs(planned: Study) -> list[Run]:
    """The runs of the crossed arm of a plan."""
    made: list[dict[str, int]] = [{}]
    for name, values in planned.cross.items():
        made = [{**factors, name: value} for factors in made for value in values]
    labels = [",".join(f"{k}={v}" for k, v in factors.items()) for factors in made]
    return [
        Run(
            arm="crossed",
            label=label,
            replicate=place,
            factors=factors,
            argv=(),
            workdir=f"runs/crossed/{label}",
        )
        for place, (label, factors) in enumerate(zip(labels, made, strict=True))
    ]


def ledger_text(loss: np.ndarray, word: object) -> str:
    """A ledger with these losses, its digests made from `word`."""
    lines = []
    for step, value in enumerate(loss.tolist(), 1):
        digest = sha(word, step)
        record = {
            "step": step,
            "loss": value if np.isfinite(value) else None,
            "loss_hex": value.hex(),
            "params": digest[:16],
            "grads": digest[16:32],
            "batch": sha("batch", step)[:16],
        }
        lines.append(json.dumps(record, separators=(",", ":")) + "\n")
    return "".join(lines)


def losses(steps: int, rng: np.random.Generator, noise: float) -> np.ndarray:
    """A loss curve that falls, and wanders by factors that grow from rounding's size."""
    t = np.arange(1, steps + 1)
    return (2 / (1 + 0.1 * t)) * (
        1 + noise * rng.normal(size=steps) * np.minimum(0.02, 1e-7 * 2.0**t)
    )


def content(
    nrmse: np.ndarray, words: Mapping[str, object], steps: int, **changes: object
) -> dict[str, object]:
    """A result with these NRMSE, its digests made from `words`."""
    names = list(SUBJECTS[: len(nrmse)])
    made = {
        "schema_version": 1,
        "experiment": "qsm",
        "framework": "jax",
        "level": "not_guaranteed",
        "steps": steps,
        "subjects": names,
        "metrics": {"nrmse": nrmse.tolist(), "ssim": (1 - nrmse).tolist()},
        "baselines": {"tkd": {"nrmse": [0.7] * len(names)}, "l2": {"nrmse": [0.6] * len(names)}},
        "digests": {name: sha(name, words.get(name, 0)) for name in result.DIGESTS},
        "seconds": {"setup": 1.0, "compile": 5.0, "train": 4.0, "infer": 2.0},
        "memory_bytes": 900_000_000,
    }
    return made | changes


ENVIRONMENT = {
    "schema_version": 1,
    "python": "3.11.7",
    "system": {"os": "Linux", "host": "node1", "libc": "glibc-2.36"},
    "cpu": {"model": "Some CPU", "features": ["avx2", "fma"], "logical": 2, "threads": 2},
    "variables": {},
    "code": {"sources": "b" * 64, "commit": "c" * 40, "diff": ""},
    "backend": {
        "platform": "cpu",
        "device_kind": "cpu",
        "device_count": 1,
        "versions": {"jax": "0.10.2", "numpy": "2.4.6"},
        "gpu": None,
        "xla_flags_seen": [],
    },
}


def write_run(
    folder: Path,
    found: Mapping[str, object],
    ledger: str = "",
    environment: Mapping[str, object] = ENVIRONMENT,
) -> None:
    """Write a finished run folder; the config's digest comes from its name."""
    folder.mkdir(parents=True)
    config = {"schema_version": 1, "digest": sha(folder.parent.name), "config": {"steps": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps(environment))
    if ledger:
        (folder / "ledger.jsonl").write_text(ledger)
    (folder / "result.json").write_text(json.dumps(found))


def effect(arm_name: str) -> tuple[float, float, bool]:
    """Shift of the mean, sd between runs, whether it repeats the baseline bit for bit."""
    identical = arm_name.startswith(("same", "threads", "baseline"))
    shift = 0.0 if identical else (int(sha(arm_name)[:4], 16) / 65536 - 0.5) * 0.02
    return shift, 0.004, identical


def make(
    study_dir: Path,
    planned: Study,
    steps: int = 60,
    change: Callable[[Run, dict], dict] = lambda run, found: found,
) -> list[Run]:
    """Write a study directory all of whose runs are finished.

    Arms called ``same...`` or ``threads...`` repeat the baseline bit for bit; `change` may alter
    each result before it is written.
    """
    study_dir.mkdir(parents=True, exist_ok=True)
    planned_runs = crossed_runs(planned) if planned.cross else runs(planned)
    write_study(study_dir, planned, planned_runs)
    kinds = {one.name: one.kind for one in planned.arms}
    for run in planned_runs:
        shift, sd, identical = effect(run.arm)
        inference = kinds.get(run.arm) == "inference"
        who = "baseline" if identical else run.arm
        replicate = 0 if inference else run.replicate
        level = np.random.default_rng(int(sha(replicate)[:8], 16))
        own = np.random.default_rng(int(sha(who, replicate)[:8], 16))
        subjects = 0.45 + 0.03 * np.arange(len(SUBJECTS)) / len(SUBJECTS)
        nrmse = subjects + 0.01 * level.normal(size=8) + shift + sd * own.normal()
        nrmse += 0.0 if identical else 0.1 * sd * own.normal(size=8)
        word = (who, replicate)
        curve = losses(steps, own, 0.0 if who == "baseline" else 1.0)
        found = content(
            nrmse,
            {"params": word, "predictions": word, "init": run.replicate, "order": run.replicate},
            0 if inference else steps,
        )
        ledger = "" if inference else ledger_text(curve, word)
        write_run(study_dir / run.workdir, change(run, found), ledger)
    return planned_runs


if __name__ == "__main__":
    arms = [
        arm(f"arm{n:03d}", SOURCES[n % len(SOURCES)], f"--x={n}") for n in range(int(sys.argv[2]))
    ]
    make(Path(sys.argv[1]), study(arms, int(sys.argv[3])))
