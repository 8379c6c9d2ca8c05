"""Two made-up sets of runs: one in JAX, one in PyTorch, with all that a comparison looks at.

``python -m tests.study.two_sets DIR`` makes them and their comparison.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from study import synthetic_runs as made

SHAPES = {
    "params/down0_0/conv/kernel": (3, 3, 1, 4),
    "params/down0_0/conv/bias": (4,),
    "params/down0_0/norm/scale": (4,),
    "params/down0_0/norm/bias": (4,),
    "params/out/kernel": (1, 1, 4, 1),
    "params/out/bias": (1,),
    "batch_stats/down0_0/norm/mean": (4,),
    "batch_stats/down0_0/norm/var": (4,),
    "batch_stats/down0_0/norm/weight": (1,),
    "optimizer/0/count": (),
}
STEPS = (40, 60)


def make(folder: Path, replicates: int = 4) -> tuple[Path, Path]:
    """The sets: runs of equal label start from the same, and differ by a millionth."""
    arms = [made.arm("pytorch", "framework")]
    for run in made.make(folder, made.study(arms, replicates), change=_result):
        path, torch = folder / run.workdir, run.arm == "pytorch"
        change(path / "config.json", config={"seed_init": run.replicate, "dtype": "float32"})
        if torch:
            change(path / "config.json", config={"cudnn_benchmark": False})
            change(
                path / "environment.json", backend={"versions": {"torch": "2.13.0", "jax": None}}
            )
        _timing(path, 2.0 if torch else 1.0)
        checkpoints(path, run.replicate, 1e-6 if torch else 0.0)
    return folder / "runs" / "baseline", folder / "runs" / "pytorch"


def _result(run, found: dict) -> dict:
    torch = run.arm == "pytorch"
    return found | {
        "framework": "pytorch" if torch else "jax",
        "memory_bytes": 300_000_000 if torch else 900_000_000,
        "load": {"cores": 2, "begin": 0.3, "end": 1.9},
        "seconds": found["seconds"] | {"classical": 3.0},
    }


def _timing(folder: Path, factor: float) -> None:
    rows = [{"step": s, "seconds": factor * (5.0 if s == 1 else 0.01)} for s in range(1, 61)]
    (folder / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def checkpoints(folder: Path, replicate: int, change: float, steps=STEPS) -> None:
    """Weights of a replicate, all changed by a share; biases before normalisation by another."""
    (folder / "checkpoints").mkdir()
    for step in steps:
        rng = np.random.default_rng([replicate, step])
        leaves = {}
        for name, shape in SHAPES.items():
            values = rng.normal(size=shape)
            bent = np.linspace(0.5, 1.5, values.size).reshape(shape)
            share = 1.0 if name.endswith("conv/bias") and change else change
            leaves[name] = (values * (1 + share * bent)).astype(np.float64)
        np.savez(folder / "checkpoints" / f"step_{step:08d}.npz", **leaves)


def change(path: Path, **changes: object) -> None:
    """Write entries into a JSON file, those of objects one by one."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        old = content.get(name)
        if isinstance(value, Mapping) and isinstance(old, dict):
            old |= {
                key: ((old.get(key) or {}) | entry if isinstance(entry, dict) else entry)
                for key, entry in value.items()
            }
        else:
            content[name] = value
    path.write_text(json.dumps(content))


if __name__ == "__main__":
    from mrjax.study import compare

    sides = compare.load(*make(Path(sys.argv[1])))
    print(compare.write(Path(sys.argv[1]) / "compare", sides))
