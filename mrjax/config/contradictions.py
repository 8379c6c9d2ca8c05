"""Pairs of flags that contradict each other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ADDRESS = re.compile(r"([^\s:]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")


def contradictions(config: Any) -> Iterator[str]:
    """Yield one line for each pair of flags that contradict each other.

    Args:
        config: a `mrjax.config.RunConfig`, whose module imports this one.
    """
    if config.numerics == "reproducible" and config.dtype != "float32":
        yield (
            f"--dtype={config.dtype} with --numerics=reproducible; expected float32, the only type "
            "of order-free arithmetic; change one of them"
        )
    if config.dataset != "synthetic" and not config.data_dir:
        yield (
            f"--dataset={config.dataset} without --data_dir; expected the folder that holds the "
            "data; give --data_dir=DIR"
        )
    if config.dataset == "synthetic" and config.data_dir:
        yield (
            f"--data_dir={config.data_dir} without a --dataset that reads it; expected the name of "
            "its format, since synthetic data need no folder; give --dataset, or drop --data_dir"
        )
    if config.resample and not config.on_grids:
        yield (
            "--resample with subjects that are no volumes: k-space has no voxels that could be "
            "brought to another size; expected a task of volumes; drop it, and take a network that "
            "was trained with such data"
        )
    if config.resample and config.steps:
        yield (
            f"--resample with {config.steps} training steps; expected --steps=0, since it brings "
            "subjects to the grid of a network that is trained already; drop one of them"
        )
    if config.batch_size % config.devices:
        yield (
            f"--batch_size={config.batch_size} does not divide among --devices={config.devices}; "
            "expected a multiple; change one of them"
        )
    yield from _team_contradictions(config)
    yield from _autotune_contradictions(config)


def _team_contradictions(config: Any) -> Iterator[str]:
    """Yield the same for the flags of runs of several processes."""
    if config.batch_size % (config.devices * config.processes):
        yield (
            f"--batch_size={config.batch_size} does not divide among "
            f"--processes={config.processes} with --devices={config.devices} each; expected a "
            "multiple of both together; change one of them"
        )
    if config.processes > 1 and not config.steps:
        yield (
            f"--processes={config.processes} with --steps=0; expected training, since one process "
            "applies a network; drop --processes"
        )
    if (config.process_id is None) != (not config.coordinator):
        yield (
            "one of --coordinator and --process_id without the other; expected both, or neither "
            "where jax knows the cluster or all processes are on this machine; give the other one"
        )
    if (config.process_id or 0) >= config.processes:
        yield (
            f"--process_id={config.process_id} of --processes={config.processes}; expected less "
            "than the number of processes, since they are counted from 0; change one of them"
        )
    if config.coordinator and not re.fullmatch(
        r"[^\s:]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}", config.coordinator
    ):
        yield (
            f"--coordinator={config.coordinator} is no address; expected ADDRESS:PORT of process "
            "0, such as node1:12345; correct it"
        )


def _autotune_contradictions(config: Any) -> Iterator[str]:
    """Yield the same for the flags of the autotuner, which XLA's determinism switches off."""
    mode, file = config.xla_autotune, config.xla_autotune_file
    if config.xla_deterministic and mode == "on":
        yield (
            "--xla_autotune=on contradicts --xla_deterministic; expected auto or off, since "
            "XLA's deterministic mode never tunes; drop one of the two"
        )
    if config.xla_deterministic and mode == "frozen":
        yield (
            "--xla_autotune=frozen with --xla_deterministic is refused, since it is untested "
            "whether XLA's deterministic mode honours loaded choices; expected one of the two; "
            "drop the other"
        )
    if mode == "frozen" and not Path(file).is_file():  # Path("") is a folder
        yield (
            f"--xla_autotune=frozen finds no file {file!r}; expected the choices stored by a run "
            "with --xla_autotune=on; name them with --xla_autotune_file=FILE"
        )
    if mode == "frozen" and Path(file).is_file() and not Path(file).stat().st_size:
        yield (
            f"--xla_autotune_file={file} is empty; expected the choices stored by a run with "
            "--xla_autotune=on; store them anew, or name another file"
        )
    if file and mode in ("auto", "off"):
        yield (
            f"--xla_autotune_file={file} is not used under --xla_autotune={mode}; expected on or "
            "frozen; drop the file or choose one of these"
        )
    if file and mode == "on" and not Path(file).parent.is_dir():
        yield (
            f"--xla_autotune_file={file} cannot be written; expected an existing folder; create "
            f"{Path(file).parent}"
        )
