"""Certificates: what they find in hand-made run folders, and that they never say equal wrongly."""

import json
import math
import os
import random
import sys

import pytest

from mrjax.errors import UserError
from mrjax.runs.digests import content
from mrjax.study import certificate
from mrjax.study.certificate import facts, pages, words
from mrjax.study.certificate.reading import read

INIT = "ab" * 32


def line(step, loss=0.5, **changes):
    known = {"params": f"{step:016x}", "grads": f"{step + 100:016x}", "batch": f"{step + 200:016x}"}
    return {
        "step": step,
        "loss": loss if math.isfinite(loss) else None,
        "loss_hex": loss.hex(),
        **known,
        "kinds": dict.fromkeys(known, "a" * 16),
        "rng": {"torch": "1" * 16, "python": "1" * 16},
        **changes,
    }


def write(folder, lines, *, config=None, environment=None, metrics=(), init=INIT):
    folder.mkdir()
    digest = "0" * 64
    files = {
        "config.json": {"schema_version": 1, "digest": digest, "config": config or {"rate": 1}},
        "environment.json": {"python": "3.11", "start": {"init": init}, **(environment or {})},
    }
    for name, record in files.items():
        (folder / name).write_text(json.dumps(record))
    for name, records in {"ledger.jsonl": lines, "metrics.jsonl": metrics}.items():
        (folder / name).write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder


def pair(tmp_path, a, b, **changes):
    runs = [write(tmp_path / "a", a), write(tmp_path / "b", b, **changes)]
    return facts.compare(*(read(label, run) for label, run in zip("AB", runs, strict=True)))


SAME = [line(step) for step in range(1, 11)]


def changed(step, **changes):
    return [line(one["step"], **(changes if one["step"] >= step else {})) for one in SAME]


def test_identical_runs(tmp_path):
    found = pair(tmp_path, SAME, SAME)
    assert found.identical and (found.equal, found.through, found.parted) == (10, 10, None)
    assert words.verdict(found) == "A and B are identical for 10 steps."
    assert found.loss.largest == (0.0, 1) and found.settings == {} and found.surroundings == ()


@pytest.mark.parametrize(
    ("step", "changes", "first"),
    [
        (7, {"batch": "f" * 16, "params": "e" * 16}, "batch"),
        (4, {"loss": 0.5000001, "grads": "f" * 16}, "loss_hex"),
        (3, {"grads": "f" * 16, "params": "e" * 16}, "grads"),
        (10, {"params": "e" * 16}, "params"),
        (1, {"params": "e" * 16}, "params"),
    ],
)
def test_where_they_part(tmp_path, step, changes, first):
    found = pair(tmp_path, SAME, changed(step, **changes))
    assert not found.identical and found.equal == found.through == step - 1
    assert found.parted is not None and (found.parted[0], found.parted[1][0]) == (step, first)
    assert found.batches == (step if first == "batch" else None)
    said = words.verdict(found)
    assert f"they part at step {step}, first in {words.WORDS[first]}" in said
    assert ("identical for" in said) == (step > 1) and "parted before" not in said


@pytest.mark.parametrize(("step", "last"), [(2, 0), (5, 3)])
def test_where_they_part_if_steps_between_were_not_recorded(tmp_path, step, last):
    lines = [one for one in changed(step, params="e" * 16) if one["step"] % 3 == 0]
    said = words.verdict(pair(tmp_path, SAME, lines))
    assert f"they part at step {last + 3}, first in the parameters; no " in said
    assert ("step between 3 and 6 was" if last else "earlier step was") in said
    assert said.endswith(f"so they may have parted before step {last + 3}.")


def test_types_and_shapes_that_differ_or_were_not_recorded(tmp_path):
    other = [line(4, kinds={**SAME[3]["kinds"], "batch": "b" * 16}), *SAME[4:]]
    found = pair(tmp_path, SAME, [*SAME[:3], *other])
    assert found.parted == (4, ("batch",)) and found.shaped == ("batch",) and found.batches == 4
    said = "\n".join(words._pair(found))
    assert "There the values of the batch are equal; types or shapes are not." in said
    runs = [read(label, tmp_path / name) for label, name in (("A", "a"), ("B", "b"))]
    assert facts.certify(runs).distinct == 2
    older = [{name: one[name] for name in one if name != "kinds"} for one in SAME]
    run = read("C", write(tmp_path / "c", older))
    found = facts.compare(runs[0], run)
    assert found.identical and not found.typed
    assert "values alone are compared." in "\n".join(words._pair(found))
    assert facts.certify([runs[0], run]).distinct == 1


@pytest.mark.parametrize("kinds", [None, {}, {"batch": "a" * 16}, {"batch": 1, "params": 2}, []])
def test_damaged_kinds_are_refused(tmp_path, kinds):
    with pytest.raises(UserError, match="step 1 is not a ledger line"):
        read("A", write(tmp_path / "a", [line(1, kinds=kinds)]))


def test_losses_that_come_together_again(tmp_path):
    losses = [0.5, 0.5 + 2**-10, 0.5 + 2**-20]
    other = [line(step, loss) for step, loss in enumerate(losses, 1)]
    found = pair(tmp_path, SAME[:3], other)
    assert found.parted == (2, ("loss_hex",))
    assert found.loss.largest == (2**-10, 2) and found.loss.final == (2**-20, 3)
    assert facts.significant_bits((0.5, 0.5 + 2**-20)) == 19
    assert facts.decimals(2**-20) == 5  # 0.0000009537: 0.500000 and 0.500001


@pytest.mark.parametrize(
    ("difference", "places"), [(0.0, None), (1e-4, 3), (4.9e-5, 4), (0.2, 0), (3.0, 0)]
)
def test_decimal_places(difference, places):
    assert facts.decimals(difference) == places


def test_random_numbers_settings_metrics_and_surroundings(tmp_path):
    a = write(tmp_path / "a", SAME, metrics=[{"step": 5, "ssim": 0.9}, {"step": 10, "ssim": 0.91}])
    b = write(
        tmp_path / "b",
        changed(6, rng={"torch": "2" * 16, "python": "1" * 16}),
        config={"rate": 2, "workdir": "elsewhere"},
        environment={"python": "3.12"},
        metrics=[{"step": 5, "ssim": 0.9}, {"step": 10, "ssim": 0.93}],
        init="cd" * 32,
    )
    found = facts.compare(read("A", a), read("B", b))
    assert found.start is False and found.random == (6, ("torch",)) and found.parted is None
    assert found.settings == {"rate": (1, 2)}
    assert found.surroundings == ("python 3.11 there, 3.12 here",)
    assert found.metrics["ssim"].final == (pytest.approx(0.02), 10)


def test_huge_losses_and_settings_that_json_lacks(tmp_path):
    huge = 1.7e308
    odd = {"rate": math.nan, "limits": [math.inf]}
    a = write(tmp_path / "a", [line(1, huge)], config=odd)
    b = write(tmp_path / "b", [line(1, -huge)], config={**odd, "limits": [1.0]})
    stated = json.loads(
        certificate.write(tmp_path / "out", [str(a), str(b)]).with_suffix(".json").read_text()
    )
    (found,) = stated["pairs"]
    assert found["loss"]["largest"] == [sys.float_info.max, 1]
    assert found["settings"] == {"limits": ["[Infinity]", [1.0]]}  # NaN is the same setting
    assert facts.significant_bits((huge, -huge)) == 0
    assert facts.significant_bits((5e-324, 1e-323)) == 1
    assert facts.significant_bits((0.0, 5e-324)) == 0
    assert facts.significant_bits((1.0, 1.0 - 2**-53)) == 53


def test_what_was_not_recorded_is_not_called_equal(tmp_path):
    absent = [line(step, params="0" * 16, batch="0" * 16) for step in range(1, 4)]
    found = pair(tmp_path, absent, absent, init=content({}))
    assert found.missing == ("batch", "params") and found.start is None
    assert not found.identical
    text = "\n".join(words._pair(found))
    assert "same batches is not known" in text and "was not recorded" in text
    assert "identical for" not in text


def test_runs_of_other_lengths_and_recorded_now_and_then(tmp_path):
    some = [one for one in SAME if one["step"] in (1, 3, 6, 9)]
    found = pair(tmp_path, SAME, some)
    assert (found.steps, found.equal, found.through) == (4, 4, 9) and not found.identical
    assert words.verdict(found) == (
        "A and B are identical for all 4 recorded steps up to step 9 (the steps between were not "
        "recorded); B ends at step 9, 1 step before the other."
    )


def test_nothing_in_common(tmp_path):
    found = pair(tmp_path, SAME[:3], SAME[3:])
    assert not found.identical and "nothing can be said" in words.verdict(found)


def test_all_forms_are_written_and_equal_inputs_give_equal_bytes(tmp_path):
    runs = [
        str(write(tmp_path / "a", SAME)),
        str(write(tmp_path / "b_100%", SAME)),
        str(write(tmp_path / "c", changed(4, grads="f" * 16), config={"rate_of": "50%_$"})),
    ]
    page = certificate.write(tmp_path / "out", runs)
    text = page.read_text()
    assert "A and B are identical for 10 steps." in text
    assert "A and C are identical for 3 steps and they part at step 4, first in the gra" in text
    names = sorted(path.name for path in page.parent.iterdir())
    assert names == [f"certificate.{kind}" for kind in ("json", "md", "pdf", "png", "tex", "txt")]
    digest = json.loads((page.parent / "certificate.json").read_text())["digest"]
    assert all(
        digest in (page.parent / f"certificate.{kind}").read_text() for kind in ("md", "tex", "txt")
    )
    assert r"50\%\_\$" in (page.parent / "certificate.tex").read_text()
    certificate.write(tmp_path / "again", runs)
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (page.parent / name).read_bytes()


@pytest.mark.parametrize(("repetitions", "bound"), [(1, 0.95), (2, 0.7764), (9, 0.2831)])
def test_what_identical_runs_allow_to_say(tmp_path, repetitions, bound):
    """The exact one-sided bound of a binomial share when no trial differs."""
    runs = [read(str(i), write(tmp_path / str(i), SAME)) for i in range(repetitions + 1)]
    found = facts.certify(runs)
    assert found.distinct == 1 and found.bound == pytest.approx(bound, abs=1e-4)


def test_mistakes(tmp_path):
    a, b = (write(tmp_path / name, SAME) for name in "ab")
    with pytest.raises(UserError, match="expected 2 to 26"):
        certificate.write(tmp_path / "out", [str(a)])
    with pytest.raises(UserError, match="given twice"):
        certificate.write(tmp_path / "out", [str(a), str(a / ".." / "a")])
    (b / "ledger.jsonl").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        certificate.write(tmp_path / "out", [str(a), str(b)])


RESULT = {
    "schema_version": 1,
    "experiment": "training",
    "framework": "pytorch",
    "level": "not_guaranteed",
    "steps": 4,
    "subjects": ["all"],
    "metrics": {"ssim": [0.5]},
    "baselines": {},
    "digests": {name: "ab" * 32 for name in ("init", "order", "data", "params", "predictions")},
    "seconds": {name: 1.5 for name in ("setup", "compile", "train", "infer")},
    "memory_bytes": None,
    "config": "0" * 64,
}


def test_damaged_folders_are_refused_or_never_called_equal(tmp_path):
    """Random bytes and lines of one of two equal runs: a mistake in one line, or a true word.

    Once tried with 10 000 of them: ``MRJAX_DAMAGED=10000 python -m pytest ... -k damaged -n0``.
    """
    metrics = [{"step": 2, "ssim": 0.4}, {"step": 4, "ssim": 0.5}]
    a, b = (write(tmp_path / name, SAME[:4], metrics=metrics) for name in "ab")
    for folder in (a, b):
        (folder / "result.json").write_text(json.dumps(RESULT))
    first = read("A", a)
    draw = random.Random(0)
    originals = {path: path.read_bytes() for path in sorted(b.iterdir())}
    outcomes = set()
    for _ in range(int(os.environ.get("MRJAX_DAMAGED", "300"))):
        path = draw.choice(list(originals))
        damaged = bytearray(originals[path])
        for _ in range(draw.choice((1, 1, 2, 8))):
            how = draw.randrange(4)
            place = draw.randrange(len(damaged)) if damaged else 0
            if how == 0 and damaged:
                damaged[place] = draw.randrange(256)
            elif how == 3 and damaged:  # a digest that is one, and another
                damaged[place] = draw.choice(b"0123456789abcdef")
            elif how == 1:
                del damaged[place : place + draw.randrange(60)]
            else:
                damaged[place:place] = damaged[: draw.randrange(40)]
        path.write_bytes(damaged)
        try:
            second = read("B", b)
        except UserError as error:
            outcomes.add("refused")
            assert str(error)
        else:
            found = facts.certify([first, second])
            text = pages.text(found)
            assert found.digest in pages.markdown(found) and found.digest in pages.latex(found)
            outcomes.add(found.pairs[0].identical)
            if found.pairs[0].identical:
                assert [dict(line) for line in second.lines.values()] != [] and "identical" in text
                assert _evidence(first) == _evidence(second)
                kinds = [
                    [line.get("kinds") for line in run.lines.values()] for run in (first, second)
                ]
                assert kinds[0] == kinds[1] or "values alone are compared" in text
        path.write_bytes(originals[path])
    assert outcomes == {"refused", True, False}


def _evidence(run):
    keep = ("batch", "grads", "params")
    return [
        (step, float.fromhex(one["loss_hex"]), *(one[k] for k in keep))
        for step, one in run.lines.items()
    ]
