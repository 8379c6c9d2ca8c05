r"""A training program that knows nothing of mrjax and takes part in its studies.

It writes the run folder that mrjax/runs/__init__.py describes, with Python's standard library
alone; another language would do. It learns a filter of nine taps that removes blur and noise from
short signals. As a study of its own, or as an arm beside others of the same experiment:

    python -m experiments.study plan --study=DIR --experiment=deblur \
        --command="{python} experiments/recipes/foreign_example.py" \
        --arm="init: --seed_order=0 --seed_init={r}" --arm="dtype: --dtype=float32"
    --arm='other: command="{python} experiments/recipes/foreign_example.py --experiment=qsm"'

What mrjax asks of a program: it takes --workdir and the flags of its arm, to which a study adds
--seed_init and --seed_order, or --repetition; for inference arms --steps=0 and --from_run. Where
the whole study is foreign, the flags of --baseline come first; an arm with a command of its own
does not get those. It ends with 0 and result.json, or another code and one line that says why.
"""

import argparse
import hashlib
import json
import math
import platform
import random
import struct
import sys
import time
from pathlib import Path

TAPS, LENGTH, TRAIN, TEST = 9, 64, 16, 8
PROGRAM = "deblur 1.0"


def main() -> int:
    """Train, judge, and leave the records; 1 if the loss is not finite."""
    asked = arguments()
    folder = Path(asked.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {k: v for k, v in vars(asked).items() if k not in ("workdir", "pause")}
    text = json.dumps(settings, sort_keys=True).encode()
    record = {"schema_version": 1, "digest": sha256(text), "config": settings}
    surroundings = {"schema_version": 1, "program": PROGRAM, "python": platform.python_version()}
    write(folder / "environment.json", surroundings | {"system": {"host": platform.node()}})
    write(folder / "config.json", record)
    began = time.perf_counter()
    draw = random.Random(0)
    examples = [example(draw) for _ in range(TRAIN + TEST)]
    train, test = examples[:TRAIN], examples[TRAIN:]
    first = start(asked)
    weights = learn(folder / "ledger.jsonl", asked, first, train)
    if weights is None:
        print("error: the loss is not finite; the network diverged; lower --learning_rate")
        return 1
    write(folder / "weights.json", weights)
    trained = time.perf_counter()
    outputs = {f"signal_{i}": applied(weights, blurred) for i, (blurred, _) in enumerate(test)}
    nrmse = [distance(outputs[f"signal_{i}"], sharp) for i, (_, sharp) in enumerate(test)]
    zero = [distance(blurred, sharp) for blurred, sharp in test]
    result = {
        "schema_version": 1,
        "experiment": asked.experiment,
        "framework": "python",
        "level": "run_to_run",
        "steps": asked.steps,
        "subjects": list(outputs),
        "metrics": {"nrmse": nrmse},
        "baselines": {"unfiltered": {"nrmse": zero}},
        "digests": digests(asked, first, weights, examples, outputs),
        "seconds": {
            "setup": 0.0,
            "compile": 0.0,
            "train": trained - began,
            "infer": time.perf_counter() - trained,
        },
        "memory_bytes": None,
    }
    write(folder / "result.json", result)  # last: it says that the run is finished
    print(f"mean NRMSE {sum(nrmse) / TEST:.4f}, unfiltered {sum(zero) / TEST:.4f}")
    return 0


def digests(
    asked: argparse.Namespace, first: list, weights: list, examples: list, outputs: dict
) -> dict[str, str]:
    """What two runs had in common: digests of what went in and came out."""
    epochs = range(-(-asked.steps // TRAIN))
    order = {f"epoch_{epoch:04d}": permutation(asked.seed_order, epoch) for epoch in epochs}
    return {
        "init": content({"taps": first}),
        "order": content(order),
        "data": content({f"{i:02d}": a + b for i, (a, b) in enumerate(examples)}),
        "params": content({"taps": weights}),
        "predictions": content(outputs),
    }


def arguments() -> argparse.Namespace:
    """The command line; argparse ends with code 2 for what it does not know."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("seed_init", "seed_order", "repetition"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--steps", type=int, default=640)
    parser.add_argument("--learning_rate", type=float, default=0.15)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--from_run", default="", help="begin with the weights of this run")
    parser.add_argument("--experiment", default="deblur")
    parser.add_argument("--pause", type=float, default=0.0, help="wait after each step [s]")
    parser.add_argument("--workdir", required=True)
    return parser.parse_args()


def example(draw: random.Random) -> tuple[list[float], list[float]]:
    """A blurred and noisy signal, and what it was: a few boxes."""
    sharp = [0.0] * LENGTH
    for _ in range(4):
        left, height = draw.randrange(LENGTH - 8), draw.randrange(1, 9) / 8
        for i in range(left, left + draw.randrange(3, 9)):
            sharp[i] += height
    blurred = applied([0.0, 0.0, 0.125, 0.25, 0.25, 0.25, 0.125, 0.0, 0.0], sharp)
    return [value + (draw.random() - 0.5) / 16 for value in blurred], sharp


def start(asked: argparse.Namespace) -> list[float]:
    """First weights: drawn, or those of another run."""
    if asked.from_run:
        return json.loads((Path(asked.from_run) / "weights.json").read_text())
    draw = random.Random(asked.seed_init)
    return [rounded(draw.random() - 0.5, asked.dtype) for _ in range(TAPS)]


def permutation(seed: int, epoch: int) -> list[int]:
    """Order of the examples in one epoch."""
    indices = list(range(TRAIN))
    random.Random(1000003 * seed + epoch).shuffle(indices)
    return indices


def learn(
    ledger: Path, asked: argparse.Namespace, weights: list[float], train: list
) -> list | None:
    """Gradient descent, one example a step; None when it diverges."""
    with ledger.open("w") as log:  # an unfinished run begins again: it is short
        for step in range(asked.steps):
            epoch, place = divmod(step, TRAIN)
            blurred, sharp = train[permutation(asked.seed_order, epoch)[place]]
            loss, grads = gradient(weights, blurred, sharp)
            if not math.isfinite(loss):
                return None
            weights = [
                rounded(w - asked.learning_rate * g, asked.dtype)
                for w, g in zip(weights, grads, strict=True)
            ]
            prints = {
                "params": fingerprint("taps", weights),
                "grads": fingerprint("taps", grads),
                "batch": fingerprint("signal", blurred + sharp),
            }
            line = {"step": step + 1, "loss": loss, "loss_hex": loss.hex(), **prints}
            log.write(json.dumps(line) + "\n")
            log.flush()
            time.sleep(asked.pause)
    return weights


def applied(taps: list[float], signal: list[float]) -> list[float]:
    """A signal through a filter; beyond its ends it is zero."""
    half = TAPS // 2
    padded = [0.0] * half + signal + [0.0] * half
    return [sum(taps[k] * padded[i + k] for k in range(TAPS)) for i in range(LENGTH)]


def gradient(taps: list[float], blurred: list[float], sharp: list[float]) -> tuple:
    """Squared error, summed over the signal, and its gradient."""
    half = TAPS // 2
    padded = [0.0] * half + blurred + [0.0] * half
    wrong = [a - b for a, b in zip(applied(taps, blurred), sharp, strict=True)]
    grads = [2 * sum(wrong[i] * padded[i + k] for i in range(LENGTH)) / LENGTH for k in range(TAPS)]
    return sum(w * w for w in wrong) / LENGTH, grads


def distance(a: list[float], b: list[float]) -> float:
    """Normalised root mean squared error."""
    return math.dist(a, b) / math.hypot(*b)


def rounded(value: float, dtype: str) -> float:
    """The value as `dtype` holds it."""
    return struct.unpack("<f", struct.pack("<f", value))[0] if dtype == "float32" else value


# Digests, by the rules in mrjax/runs/digests.py.


def content(arrays: dict[str, list]) -> str:
    """Sha256 over names, types, shapes and bytes; integers are int64, the rest float64."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        kind, letter = ("int64", "q") if isinstance(arrays[name][0], int) else ("float64", "d")
        total.update(f"{name}\n{kind}\n{len(arrays[name])}\n".encode())
        total.update(struct.pack(f"<{len(arrays[name])}{letter}", *arrays[name]))
    return total.hexdigest()


def fingerprint(name: str, values: list[float]) -> str:
    """Order-free 64-bit digest of an array of float64."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    total = 0
    for index, bits in enumerate(
        struct.unpack(f"<{len(values)}Q", struct.pack(f"<{len(values)}d", *values))
    ):
        z = (seed + index * 0x9E3779B97F4A7C15 + bits * 0xD1342543DE82EF95) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        total += z ^ z >> 31
    return f"{total % 2**64:016x}"


def sha256(text: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(text).hexdigest()


def write(path: Path, record: object) -> None:
    """Write JSON whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
