"""Plant each cause in each network: diverge must name the first operation that differs.

PYTHONPATH=.:tests python -m diverge.matrix OUT [--task=NAME] [--cause=NAME] [--python=OTHER]
[--preset] [--brute_force]

A row is printed for each network and cause. What diverge says is judged by the arrays in OUT
(`diverge.judged`). --preset trains networks of --preset=tiny in place of the smallest.
--brute_force trains without fusion, so that all results can be seen: the operation named must be
the same if only every twentieth is asked for at first (`diverge.few`).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

from diverge import judged
from micro_runs import micro

from mrjax.diverge.retake import again, command, record
from mrjax.diverge.retake.again import Again

ROOT = Path(__file__).resolve().parents[2]
STEPS = "--steps=3 --checkpoint_every=1 --keep_checkpoints=0 --platform=cpu".split()
UNFUSED = "--xla_disable_hlo_passes=fusion"
BASE = ("base", ["--cpu_threads=2"])
CAUSES = {
    "threads": (BASE, ("one_thread", ["--cpu_threads=1"])),
    "SSE4_2": (BASE, ("SSE4_2", ["--cpu_threads=2", "--xla_cpu_isa=SSE4_2"])),
    "AVX2": (BASE, ("AVX2", ["--cpu_threads=2", "--xla_cpu_isa=AVX2"])),
    "conv_form": (
        ("lax", ["--cpu_threads=2", "--conv_form=lax"]),
        ("products", ["--cpu_threads=2", "--conv_form=products"]),
    ),
    "jax": (BASE, ("other_jax", ["--cpu_threads=2"])),
    "pytorch": (BASE, ("pytorch", [])),
}
"""Cause -> the two sides, each a name and its flags."""
_TAKEN = Again.taken
TASKS = ("qsm", "varnet", "breast")


def main(argv):
    """Print the table."""
    asked = _asked(argv)
    print("| network | sides | step | first operation | distance | results seen | s |", flush=True)
    for task in [asked.task] if asked.task else TASKS:
        for cause in [asked.cause] if asked.cause else CAUSES:
            if cause != "jax" or asked.python:
                print(_row(task, cause, asked), flush=True)


def _asked(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", default="")
    parser.add_argument("--cause", default="")
    parser.add_argument("--python", default="")
    parser.add_argument("--preset", action="store_true")
    parser.add_argument("--brute_force", action="store_true")
    return parser.parse_args(argv)


def _row(task, cause, asked):
    began = time.monotonic()
    sides = CAUSES[cause]
    a, b = (_trained(task, *side, asked) for side in sides)
    out = asked.out / f"{task}_{cause}_why"
    other = asked.python if cause == "jax" else ""
    with mock.patch.object(Again, "taken", _once):
        said = _diverged(a, b, out, other)
    found = [*_found(a, b, out, said), f"{time.monotonic() - began:.0f}"]
    if asked.brute_force and found[2]:
        found[-2] += "; " + _with_few(a, b, out)
    return f"| {task} | {', '.join(name for name, _ in sides)} | {' | '.join(map(str, found))} |"


def _found(a, b, out, said):
    """Step, operation, distance, results seen."""
    step = judged.first_step(a, b)
    if step is None:
        assert said.startswith("No difference at the "), said
        return ["", "none: identical", "", ""]
    assert f"part at step {step}, " in said, said
    if not (out / "retake.json").exists():
        return [step, f"cannot tell: {' '.join(said.splitlines()[-2:])}", "", ""]
    content = json.loads((out / "retake.json").read_text())
    assert content["step"] == step and said.count("repeats its ledger") == 2, said
    if "layers" in content:
        seen, beyond, layers = judged.layers(out)
        first = re.search(r"The first layer with unequal bits: (.*?), ", said)
        name = first.group(1) if first else "none"
        return [step, name, f"{beyond} layers beyond rounding", f"{seen} of {layers} layers"]
    seen, unequal, elements = judged.operation(out)
    one, total = content["operation"], min(content["operations"])
    name = f"`{one['op']}`, {one['phase']}, `{one['module']}` ({one['line']})"
    if hidden := max(map(len, one["together"])):
        name += f", with {hidden} not seen"
    ulp = f"up to {one['distance']['ulp']} ulp"
    return [step, name, f"{unequal} of {elements} elements, {ulp}", f"{seen} of {total}"]


def _with_few(a, b, out):
    few = out.with_name(f"{out.name}_few")
    with mock.patch.object(again, "PROGRAM", "diverge.few"):
        _diverged(a, b, few)
    wanted, found = (json.loads((one / "retake.json").read_text()) for one in (out, few))
    judged.operation(few)
    assert found["compared"] < wanted["compared"]
    same = found["operation"]["place"] == wanted["operation"]["place"]
    return f"{'the same' if same else 'ANOTHER'} from {found['compared']}"


def _diverged(a, b, out, python_b=""):
    """What `network diverge` prints."""
    both = command.known(a, b)
    assert both is not None
    lines = list(command.run(*both, command.Asked(None, ("", python_b), str(out))))
    return "\n".join(lines)


def _once(side):
    """Take a step of the side that several causes share only once."""
    known = side.out.parent.with_name(f"{side.side.folder.path.name}_taken_{side.step}")
    if not known.exists():
        _TAKEN(side)
        shutil.copytree(side.out, known)
    shutil.copytree(known, side.out, dirs_exist_ok=True)
    return record.read(side.out)


def _trained(task, name, flags, asked):
    """Train a side unless it was trained for another cause."""
    folder = asked.out / f"{task}_{name}"
    if not (folder / "result.json").exists():
        python = asked.python if name == "other_jax" else sys.executable
        program = ["pytorch", f"--task={task}"] if name == "pytorch" else [task]
        sizes = ["--preset=tiny"] if asked.preset else micro(task)
        fold = ["--fold=0"] if task == "breast" else []
        words = ["-m", f"experiments.{program[0]}", *program[1:], *sizes, *fold, *STEPS, *flags]
        flags = UNFUSED if asked.brute_force else ""
        done = subprocess.run(
            [python, *words, f"--workdir={folder}"],
            cwd=ROOT,
            env={**os.environ, "XLA_FLAGS": flags},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
