"""Run folders of small networks with random weights, which no training has made."""

import dataclasses
from pathlib import Path

import numpy as np
import small_networks

from mrjax import config as configs
from mrjax.runs import result
from mrjax.tasks import records, trained
from mrjax.train import checkpoint

SIZES = {
    "qsm": {"levels": 1, "width": 3, "window": 3},
    "breast": {"levels": 1, "width": 3},
    "e2e": {"cascades": 1, "width": 3, "levels": 1, "sens_width": 2, "sens_levels": 1, "rows": 32,
            "columns": 36, "coils": 2},
    "varnet": {"stages": 1, "width": 3, "window": 5, "rows": 16, "columns": 18, "coils": 2},
}  # fmt: skip


def make(task: str, path: Path, **changed: object) -> Path:
    """A finished run in native arithmetic unless `changed` says otherwise."""
    built = small_networks.build(task, **{"numerics": "native", **SIZES[task], **changed})
    config = dataclasses.replace(built.config, workdir=str(path))
    rng = np.random.default_rng(1)
    leaves = {f"params/{k}": v + _noise(rng, v.shape) for k, v in built.initial_params().items()}
    for name, shape in built.shapes.get("batch_stats", {}).items():
        # A running variance is positive, and so is the weight of all averages.
        leaves[f"batch_stats/{name}"] = rng.uniform(0.2, 0.9, shape).astype(np.float32)
    folder, _ = records.opened(path, config, configs.to_flags(config), {}, resume=False)
    with folder:
        checkpoint.save(folder.checkpoints, 1, leaves)
        known = dataclasses.asdict(small_networks.NORMALISATION)
        trained.keep_constants(folder, {"normalisation": known}, {})
        result.write(folder.path, _result(task))
    return path


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0, 0.02, shape).astype(np.float32)


def _result(task: str) -> dict:
    return {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": task,
        "framework": "jax",
        "level": "not_guaranteed",
        "steps": 1,
        "subjects": [],
        "metrics": {},
        "baselines": {},
        "digests": dict.fromkeys(result.DIGESTS, "a" * 64),
        "seconds": dict.fromkeys(result.SECONDS, 0.0),
        "memory_bytes": None,
    }
