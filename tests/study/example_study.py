"""A made-up study with everything a report can show, for tests and for eyes.

``python tests/study/example_study.py DIR`` makes it and its report.
"""

import sys
from pathlib import Path

import numpy as np
from study import synthetic_runs as made

from mrjax import study
from mrjax.study.gather import csvfiles
from mrjax.study.records import Study

ARMS = (
    made.arm("deterministic", "deterministic", "--xla_deterministic"),
    made.arm("bfloat16", "dtype", "--dtype=bfloat16"),
    made.arm("float64", "dtype", "--dtype=float64"),
    made.arm("float16", "dtype", "--dtype=float16"),
    made.arm("order", "order", "--seed_init=0"),
    made.arm("init", "init", "--seed_order=0"),
    made.arm("threads_1", "threads", "--cpu_threads=1"),
    made.arm("avx2", "isa", "--xla_cpu_isa=AVX2"),
    made.arm("same", "repetition", "--repetition=1"),
    made.arm("autotune_off", "autotune", "--xla_autotune=off", problem="no effect on a cpu"),
    made.arm("infer_baseline", "baseline", kind="inference"),
    made.arm("infer_threads", "threads", "--cpu_threads=1", kind="inference"),
    made.arm("infer_avx2", "isa", "--xla_cpu_isa=AVX2", kind="inference"),
)


def planned(replicates: int = 5) -> Study:
    return made.study(ARMS, replicates)


def change(run, found: dict) -> dict:
    """Inference repeats the baseline's first network, under avx2 nearly."""
    if not run.arm.startswith("infer"):
        return found
    close = 1.0 + (1e-7 * np.arange(8) if run.arm == "infer_avx2" else np.zeros(8))
    level = np.random.default_rng(3).normal(0.47, 0.01, 8)
    digest = made.sha(run.arm == "infer_avx2")
    return found | {
        "metrics": {"nrmse": (level * close).tolist()},
        "digests": found["digests"] | {"predictions": digest},
    }


def make(folder: Path, replicates: int = 5) -> Path:
    """The study with images; its arm float16 failed twice."""
    runs = made.make(folder, planned(replicates), change=change)
    for run in runs:
        if run.arm == "float16" and run.replicate < 2:
            (folder / run.workdir / "result.json").unlink()
            (folder / "logs").mkdir(exist_ok=True)
            (folder / run.log).write_text("error: the loss is not finite at step 12\n")
        elif not run.arm.startswith("infer"):
            images(folder / run.workdir, run)
    return folder


def images(folder: Path, run) -> None:
    """A ball with an edge that moves from run to run, and the weights of a checkpoint."""
    import nibabel

    x, y, z = np.mgrid[-1:1:24j, -1:1:20j, -1:1:16j]
    word = "baseline" if made.effect(run.arm)[2] else run.arm
    rng = np.random.default_rng(int(made.sha(word, run.replicate)[:8], 16))
    size = 1e-7 if run.arm == "avx2" else 0.01
    base = np.random.default_rng(run.replicate).normal(size=x.shape) * 0.003
    ball = 0.1 * (x**2 + y**2 + z**2 < 0.4) + base + size * x * rng.normal(size=x.shape)
    ball *= x**2 + y**2 + z**2 < 0.9
    (folder / "predictions").mkdir()
    image = nibabel.Nifti1Image(ball.astype(np.float32), np.eye(4))
    nibabel.save(image, folder / "predictions/brain0_network_Chimap.nii.gz")
    (folder / "checkpoints").mkdir()
    kernel = (1 + size * rng.normal(size=50)).astype(np.float32)
    np.savez(folder / "checkpoints/step_00000060.npz", **{"params/kernel": kernel})


def make_crossed(folder: Path, levels: int = 4) -> Path:
    """A crossed study with known shares."""
    cross = {"seed_init": levels, "seed_order": levels, "repetition": 2}
    planned_study = made.study(
        [made.arm("crossed", "crossed")], 1, cross={k: tuple(range(v)) for k, v in cross.items()}
    )
    rng = np.random.default_rng(5)
    init, order = 0.02 * rng.normal(size=levels), 0.01 * rng.normal(size=levels)

    def level(run, found: dict) -> dict:
        shift = init[run.factors["seed_init"]] + order[run.factors["seed_order"]]
        values = np.linspace(0.45, 0.5, 8) + shift + 0.002 * rng.normal()
        return found | {"metrics": {"nrmse": values.tolist()}}

    made.make(folder, planned_study, steps=10, change=level)
    return folder


def reported(folder: Path) -> Path:
    """Write tables and report of a study as the command ``report`` does; returns the page."""
    found = study.load(folder)
    csvfiles.write(folder, found)
    return study.write_report(folder / "report", found)


if __name__ == "__main__":
    print(reported(make(Path(sys.argv[1]) / "levels")))
    print(reported(make_crossed(Path(sys.argv[1]) / "crossed")))
