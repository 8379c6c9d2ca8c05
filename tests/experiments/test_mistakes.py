"""A mistake on the command line of a program ends it in one line, with code 2, before it starts."""

from pathlib import Path

import pytest
from experiments_helpers import call, refused
from micro_runs import micro
from programs_here import here

COMMANDS = {
    "qsm": ("qsm", *micro("qsm")),
    "varnet": ("varnet", *micro("varnet")),
    "breast": ("breast", *micro("breast")),
    "pytorch": ("pytorch",),
    "network": ("network",),
    "prove": ("network", "prove"),
}
MISTAKES = {
    "qsm": [
        ("--dataset=qsmnet_mat --data_dir=/nowhere", ["/nowhere"]),
        ("--dataset=nifti", ["--data_dir"]),
        ("--volume=3", ["--volume=3"]),
        ("--patch=9", ["--patch=9", "divisible"]),
        ("--patch=2", ["--patch=2"]),
        (f"--workdir={300 * 'x'}", ["too long"]),
        ("--steps=0", ["--from_run"]),
        ("--window=4", ["--window=4"]),
        ("--devices=3", ["--batch_size"]),
        ("--numerics=reproducible --init=authors", ["--init=authors", "he_uniform"]),
    ],
    "varnet": [
        ("--dataset=hammernik", ["--data_dir"]),
        ("--dataset=bart --data_dir=/nowhere", ["/nowhere"]),
        ("--window=4", ["--window=4"]),
        ("--window=21", ["--window=21"]),
        ("--acs_lines=25", ["--acs_lines=25"]),
        ("--momentum=0.5", ["--momentum=0.5", "iipg"]),
        ("--steps=0", ["--from_run"]),
        ("--batch_size=6", ["--batch_size"]),
        ("--numerics=reproducible --maps=espirit", ["--maps=espirit", "acs"]),
    ],
    "breast": [
        ("--folds=5", ["4 patients are fewer than --folds=5"]),
        ("--folds=2 --fold=2", ["--fold=2"]),
        ("--dataset=mat --data_dir=/nowhere", ["/nowhere"]),
        ("--dataset=nifti", ["--data_dir"]),
        ("--steps=0", ["--from_run"]),
        ("--fold=0 --batch_size=64", ["--batch_size"]),
    ],
    "pytorch": [
        ("", ["--task is not given", "qsm, varnet, breast"]),
        ("--task=brain", ["--task=brain is not allowed", "qsm, varnet, breast"]),
        ("--task=qsm --stages=3", ["unknown flag --stages"]),
        ("--task=qsm --devices=2", ["--devices=2 in PyTorch"]),
        ("--task=varnet --numerics=reproducible", ["--numerics=reproducible", "JAX"]),
        ("--task=breast --fold=9", ["--fold=9"]),
        ("--task=qsm --sweep=task=qsm,varnet", ["--task=varnet is not allowed"]),
        ("--task=qsm --platform=gpu --device_index=99", ["--device_index=99", "GPUs"]),
        ("--task=qsm --dataset=nifti --data_dir=/nowhere", ["/nowhere"]),
    ],
    "network": [
        ("", ["--import_varnet", "--export_varnet"]),
        ("--import_varnet=/nowhere", ["--workdir"]),
        ("--import_varnet=/nowhere --workdir=w", ["/nowhere"]),
        ("--export_varnet=f --from_run=/nowhere", ["/nowhere"]),
        ("--import_varnet=/nowhere --workdir=w --from_run=r", ["--from_run"]),
        ("--export_varnet=f --from_run=r --workdir=w", ["--workdir"]),
        (f"--import_varnet={300 * 'x'} --workdir=w", ["xxx"]),
        ("--wrong", ["wrong"]),
    ],
    "prove": [
        ("--task=knee", ["task", "qsm"]),
        ("--task=qsm --python=/nowhere", ["/nowhere", "does not run"]),
        ("--task=qsm --preset=huge", ["--preset=huge"]),
        ("--import_varnet=x", ["import_varnet"]),
        ("more", ["more"]),
    ],
}
"""Program -> flags and what the line must say of them."""
NEEDS_TORCH = ("pytorch", "network")
EACH = [
    pytest.param(program, flags, words, id=f"{program} {flags[:50]}")
    for program, mistakes in MISTAKES.items()
    for flags, words in mistakes
]


def asked(program: str, flags: str, workdir: Path) -> list[str]:
    """The command line; the folder is named first, so that flags can name another one."""
    if program in NEEDS_TORCH:
        pytest.importorskip("torch", reason="needs torch, the framework of the program")
    named = [] if program == "network" else [f"--workdir={workdir}"]
    return [*COMMANDS[program], *named, *flags.split()]


@pytest.mark.parametrize(("program", "flags", "words"), EACH)
def test_mistakes_end_in_one_line(program, flags, words, tmp_path):
    refused(here(*asked(program, flags, tmp_path / "w"), check=False), *words)
    assert not (tmp_path / "w" / "config.json").exists()


@pytest.mark.parametrize("program", MISTAKES)
def test_in_a_process_of_its_own_too(program, tmp_path):
    """The first mistake of each."""
    flags, words = MISTAKES[program][0]
    refused(call(*asked(program, flags, tmp_path / "w"), check=False), *words)
