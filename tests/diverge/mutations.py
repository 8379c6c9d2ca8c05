"""Damage traces in many ways: diverge refuses each in one line, or says what differs.

PYTHONPATH=tests python -m diverge.mutations COUNT [SEED]
"""

import collections
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from diverge import trainings

from mrjax.diverge import page, report, traces, words
from mrjax.errors import UserError

NAME = f"trace-{trainings.STEP:06d}.jsonl"
LIMIT = 20.0
"""Seconds within which a damaged trace must be dealt with."""
ODD = ["", "x", None, -1, 1e9, [], {}, ["f" * 16], "0" * 16, "float32[9999999999999999]", [["a"]]]


def check(reference, folder, count, seed=0):
    """Damage the trace of a run `count` times; return how often each outcome occurred.

    Args:
        reference: folder of a traced run with values.
        folder: to write into.
        count: number of damaged traces.
        seed: of the choices.
    """
    original = (reference / NAME).read_bytes()
    known, draw, outcomes = (
        traces.read(reference / NAME),
        random.Random(seed),
        collections.Counter(),
    )
    for _ in range(count):
        (folder / NAME).write_bytes(_damaged(original, draw))
        began = time.monotonic()
        outcomes[_outcome(reference, folder, known)] += 1
        assert time.monotonic() - began < LIMIT
    return outcomes


def _outcome(reference, folder, known):
    try:
        found = traces.read(folder / NAME)
        about = report.about(trainings.STEP, [known, found], (reference, folder))
        page.section(about)
        report.content_of(about)
    except UserError as error:
        assert "\n" not in str(error)
        return "refused"
    if about.parting.kind == "none":
        both = traces.comparable(known, found)[:2]
        assert sorted(map(_content, both[0])) == sorted(map(_content, both[1]))
        told = "values are compared" in "\n".join(words.about_trace(about))
        assert told != all(one.typed for one in found)
    return about.parting.kind if about.parting.typed else f"{about.parting.kind}, untyped"


def _content(one):
    return (one.phase, one.module, one.op, one.given, one.made)


def _damaged(original, draw):
    """Change or delete bytes, or damage a line or a field and number the lines again."""
    if draw.randrange(2):
        damaged = bytearray(original)
        place = draw.randrange(len(damaged))
        if draw.randrange(2):
            damaged[place] = draw.randrange(256)
        else:
            del damaged[place : place + draw.randrange(300)]
        return bytes(damaged)
    lines = [json.loads(line) for line in original.splitlines()]
    for _ in range(draw.choice([1, 1, 2, 20])):
        _damage(lines, draw)
    for place, line in enumerate(lines):
        line["step"] = place
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _damage(lines, draw):
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    kind = draw.randrange(6)
    if kind == 0:
        del lines[one]
    elif kind == 1:
        lines.insert(one, dict(lines[other]))
    elif kind == 2:
        lines[one], lines[other] = lines[other], lines[one]
    elif kind == 3:
        name = draw.choice(list(lines[one]))
        lines[one][name] = draw.choice([*ODD, lines[other].get(name)])
    elif kind == 4:
        lines[one].pop(draw.choice(list(lines[one])))
    else:
        _field(lines[one], draw)


def _field(line, draw):
    """Change one text in a list of texts: a digest, a sample, a sum, a type."""
    name = draw.choice(["given", "made", "types", "given_types", "samples", "sums"])
    known = line.get(name)  # another damage may have put a number there
    values = list(known) if known and isinstance(known, list | str) else ["0"]
    place = draw.randrange(len(values))
    text = str(values[place])
    at = draw.randrange(len(text) + 1)
    values[place] = text[:at] + draw.choice(["f", "7", "", "zz"]) + text[at + 1 :]
    line[name] = values


def main(count, seed=0):
    """Make a run, damage its trace `count` times, and print the outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        reference = trainings.train(Path(folder) / "run", values_of=[3])
        print(dict(check(reference, Path(folder), count, seed)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
