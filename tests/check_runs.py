"""Run folders that say what a test wants, and programs that leave them."""

import json
from pathlib import Path

from mrjax.runs import ledger, result

DIGESTS = {name: f"{i}" * 64 for i, name in enumerate(result.DIGESTS)}
OTHER = {**DIGESTS, "params": "f" * 64}
CALM, DRIFTING = (1.0, 0.5, 0.25), (1.0, 0.5, 0.375)
"""Losses of two trainings that part in step 3."""


def finish(
    folder: Path,
    digests: dict[str, str] = DIGESTS,
    level: str = "not_guaranteed",
    losses: tuple[float, ...] = CALM,
) -> None:
    """Leave the folder of a finished run."""
    folder.mkdir(parents=True)
    with ledger.Ledger(folder / "ledger.jsonl") as lines:
        for step, loss in enumerate(losses, 1):
            lines.append(step, loss, 1, 2, 3)
    times = [json.dumps({"step": i, "seconds": float(i)}) for i in range(1, 6)]
    (folder / "timing.jsonl").write_text("".join(f"{line}\n" for line in times))
    backend = {"platform": "cpu", "device_kind": "cpu", "versions": {"jax": "1.2", "flax": "3"}}
    environment = {"python": "3.11.7", "cpu": {"model": "a processor"}, "backend": backend}
    (folder / "environment.json").write_text(json.dumps(environment))
    content = {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": "qsm",
        "framework": "jax",
        "level": level,
        "steps": len(losses),
        "subjects": ["a"],
        "metrics": {"nrmse": [0.5]},
        "baselines": {},
        "digests": digests,
        "seconds": dict.fromkeys(result.SECONDS, 1.0),
        "memory_bytes": 1000,
    }
    result.write(folder, content)


def program(folder: Path, **wanted: object) -> str:
    """Text of a Python program that does the same."""
    given = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
    here = str(Path(__file__).parent)
    return (
        f"import sys; sys.path[:0] = [{here!r}]; from pathlib import Path; import check_runs\n"
        f"check_runs.finish(Path({str(folder)!r}), {given})\nprint('finished')"
    )
