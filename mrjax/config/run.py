"""The flags that all experiments share."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from mrjax.config.accept import CHECKS, accepted
from mrjax.config.contradictions import contradictions
from mrjax.config.fields import MAX_SEED, STREAMS, check_value, kinds, option, typed
from mrjax.config.mirrors import digest
from mrjax.errors import UserError

COMPILED = "MRJAX_COMPILED"
"""Environment variable that names the folder of compiled programs that the runs of a study share.
It is no setting of a run, because no bit depends on it."""


def _seed_option(stream: str, what: str) -> Any:
    return option(None, f"Seed of {what}; unset: the value of --seed", minimum=0, maximum=MAX_SEED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The fields that all experiments have in common; a task adds its own by subclassing.

    Attributes: see the help text of each field, which is also the help of its flag.
    """

    experiment: ClassVar[str] = ""
    """Name of the task that this class configures."""
    on_grids: ClassVar[bool] = False
    """Whether its subjects are volumes of voxels, which can be brought to other sizes."""

    preset: str = option(
        "demo",
        "Set of values, which single flags override: tiny ends in seconds, demo in minutes on "
        "2 cores, paper has the publication's sizes",
        choices=("demo", "tiny", "paper"),
        digest=False,  # it stands for values of other fields, which are all in the digest
    )
    steps: int = option(400, "Training steps", unit="steps", minimum=1)
    batch_size: int = option(2, "Examples in one training step", unit="examples", minimum=1)
    learning_rate: float = option(1e-3, "Learning rate of the optimiser", minimum=0.0)
    cooldown: float = option(
        0.0,
        "Share of the steps, at the end, over which the learning rate falls linearly to zero; 0 "
        "keeps it constant, as the authors of the networks do",
        minimum=0.0,
        maximum=1.0,
    )
    checkpoint_every: int = option(
        100, "Steps between two checkpoints; 0: one at the end only", unit="steps", minimum=0
    )

    dataset: str = option("synthetic", "Where subjects come from; synthetic needs no file")
    data_dir: str = option("", "Folder of the data, for every dataset except synthetic")
    unit: str = option("", "Unit of the values in the files", choices=("", "ppm", "Hz", "rad"))
    accept: str = option(
        "",
        f"Checks of the data to overrule, separated by commas, of {', '.join(CHECKS)}",
        digest=False,  # it lets a run pass and changes no run that would have passed without it
        spelled=True,
    )

    resample: bool = option(
        False,
        "Bring subjects that lie outside a trained network's domain to its voxel size (and "
        "direction of B0), and its output back; only with --steps=0",
        late=True,
    )

    seed: int = option(0, "Seed of all random draws", minimum=0, maximum=MAX_SEED)
    seed_init: int | None = _seed_option("init", "the initial weights")
    seed_order: int | None = _seed_option("order", "the order of the mini-batches")
    seed_patch: int | None = _seed_option("patch", "random patch positions")
    seed_mask: int | None = _seed_option("mask", "undersampling masks")
    seed_noise: int | None = _seed_option("noise", "the noise of synthetic subjects")
    seed_data: int | None = _seed_option("data", "the anatomy of synthetic subjects")
    seed_fold: int | None = _seed_option("fold", "the division into folds")
    perturb_init: int = option(
        0,
        "Change one initial weight by one unit in the last place, the smallest possible change; "
        "the number selects the weight; 0: change none",
        minimum=0,
    )
    repetition: int = option(
        0, "Number of this repetition; it changes the run folder and nothing else", minimum=0
    )

    platform: str = option(
        "auto", "Kind of device; auto: a GPU if there is one", choices=("auto", "cpu", "gpu")
    )
    device_index: int = option(0, "First GPU to use, counted from 0", minimum=0)
    devices: int = option(
        1, "Devices that share each batch; virtual ones on a CPU", unit="devices", minimum=1
    )
    processes: int = option(
        1,
        "Processes that share each batch, each with --devices devices; without --coordinator, and "
        "outside a cluster that jax knows (Slurm and others), all are started on this machine",
        unit="processes",
        minimum=1,
        late=True,
    )
    coordinator: str = option(
        "",
        "ADDRESS:PORT of process 0, where the processes of --processes meet; empty: found or made",
        digest=False,
    )
    process_id: int | None = option(
        None, "Number of this process, beside --coordinator", minimum=0, digest=False
    )
    xla_deterministic: bool = option(
        False, "Use the level run_to_run: the same machine and software give the same bits"
    )
    xla_autotune: str = option(
        "auto",
        "Choice of GPU kernels by timing; auto: XLA's default, which is none under "
        "--xla_deterministic; on: choices are stored in --xla_autotune_file; frozen: they are "
        "loaded from there, without timing",
        choices=("auto", "on", "off", "frozen"),
    )
    xla_autotune_file: str = option(
        "", "File of the autotuner's choices; a name ending in .txt or .textproto makes it text"
    )
    numerics: str = option(
        "native",
        "Arithmetic: XLA's own, or order-free (level machine_to_machine)",
        choices=("native", "reproducible"),
    )
    dtype: str = option(
        "float32",
        "Data type of parameters and activations",
        choices=("float32", "bfloat16", "float16", "float64"),
    )
    matmul_precision: str = option(
        "highest",
        "Precision of float32 products and convolutions on a GPU; high and default allow TF32",
        choices=("highest", "high", "default"),
    )
    conv_form: str = option(
        "auto",
        "How a CPU computes convolutions, in place of cuDNN's choice of algorithm on a GPU; auto: "
        "the faster form for each shape",
        choices=("auto", "lax", "products"),
    )
    xla_cpu_isa: str = option(
        "",
        "Newest CPU instruction set that XLA may use, in place of another device model; empty: "
        "the newest of the machine",
        choices=("", "SSE4_2", "AVX", "AVX2", "AVX512"),
    )
    cpu_threads: int = option(
        0, "Number of CPU threads of XLA; 0: one for each core", unit="threads", minimum=0
    )

    workdir: str = option(
        "", "Run folder; empty: runs/<experiment>/<digest of the config>", digest=False
    )
    keep_checkpoints: int = option(
        2,
        "Number of newest checkpoints to leave on disk; with two, one may be damaged; 0: all, to "
        "follow the weights over the steps",
        unit="checkpoints",
        minimum=0,
        digest=False,
    )
    resume: bool = option(True, "Continue an unfinished run found in the run folder", digest=False)
    allow_mixed: bool = option(
        False, "Resume although code, software or device changed", digest=False
    )

    def __post_init__(self) -> None:
        """Bring every value to its declared type, so that equal configs have equal digests.

        Raises:
            ValueError: a value has another type (but an int is accepted for a float).
        """
        for name, (kind, optional) in kinds(type(self)).items():
            value = typed(name, getattr(self, name), kind, optional)
            object.__setattr__(self, name, value)

    @property
    def needs_device(self) -> bool:
        """Whether this process computes; False where it only starts processes that compute."""
        return True

    def seed_for(self, stream: str) -> int:
        """Return the seed of one stream: its own flag if set, else ``--seed``.

        Raises:
            ValueError: for a name that is not in `STREAMS`.
        """
        if stream not in STREAMS:
            raise ValueError(f"no stream {stream!r}; expected one of {', '.join(STREAMS)}")
        own = getattr(self, f"seed_{stream}")
        return self.seed if own is None else own

    def check(self) -> None:
        """Refuse values out of range and flags that contradict each other.

        A subclass with rules of its own calls this first.

        Raises:
            UserError: for the first problem found.
        """
        for field in dataclasses.fields(self):
            check_value(field, getattr(self, field.name))
        for problem in contradictions(self):
            raise UserError(problem)
        accepted(self.accept)

    def folder(self, experiment: str) -> Path:
        """Return ``--workdir``, or ``runs/<experiment>/<first 16 digits of the digest>``."""
        return Path(self.workdir) if self.workdir else Path("runs", experiment, digest(self)[:16])
