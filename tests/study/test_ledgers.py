"""Ledgers by columns agree with mrjax.runs.ledger, also on what they refuse."""

import numpy as np
import pytest
from study import synthetic_runs as made

from mrjax.errors import UserError
from mrjax.runs import ledger
from mrjax.study.gather import ledgers


def write(path, loss, word="w"):
    path.write_text(made.ledger_text(np.asarray(loss, float), word))
    return path


def test_columns_equal_records(tmp_path, rng):
    path = write(tmp_path / "l", [*rng.normal(size=50), np.nan, np.inf, -np.inf, -0.0, 5e-324])
    columns, records = ledgers.read(path), ledger.read(path)
    assert columns.steps.tolist() == [r["step"] for r in records]
    assert [x.hex() for x in columns.loss.tolist()] == [r["loss_hex"] for r in records]
    for name in ("params", "grads", "batch"):
        assert [f"{x:016x}" for x in columns.digests[name].tolist()] == [r[name] for r in records]


def test_another_spelling_is_read_too(tmp_path):
    path = write(tmp_path / "l", [1.0, 0.5])
    other = tmp_path / "m"
    other.write_text(path.read_text().replace(",", ", ").replace("0x1.0000000000000p+0", "0X1P+0"))
    assert ledgers.first_difference(ledgers.read(path), ledgers.read(other)) == (0, "")


@pytest.mark.parametrize(
    ("old", "new"), [('{"step":2', 'y{"step":2'), ('"step":2', '"step":1'), ("0x1.", "zx1.")]
)
def test_damage_is_refused(tmp_path, old, new):
    path = write(tmp_path / "l", [1.0, 0.5])
    assert len(ledgers.read(path).steps) == 2
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError):
        ledgers.read(path)


def variants(text):
    """A ledger changed in each place, and cut."""
    lines = text.splitlines(keepends=True)
    for field in ("batch", "grads", "params"):
        digest = lines[2].split(f'"{field}":"')[1][:16]
        yield text.replace(digest, "0" * 16, 1)
    yield text.replace("p-2", "p-3", 1)
    yield "".join(lines[:-1])
    yield text.replace('"step":5', '"step":6')
    yield text


def test_the_first_difference_is_that_of_the_records(tmp_path):
    path = write(tmp_path / "a", [1.0, 0.5, 0.25, 0.125, 0.0625])
    seen = set()
    for text in variants(path.read_text()):
        other = tmp_path / "b"
        other.write_text(text)
        expected = ledger.first_difference(path, other)
        found = ledgers.first_difference(ledgers.read(path), ledgers.read(other))
        assert found == ((expected.step, expected.field) if expected else (0, ""))
        seen.add(found)
    assert {field for _, field in seen} == {"batch", "grads", "params", "loss_hex", "end", ""}


def test_a_long_curve_is_thinned(tmp_path):
    loss = np.arange(5000.0)
    columns = ledgers.read(write(tmp_path / "l", loss))
    other = ledgers.read(write(tmp_path / "m", loss + 2))
    curve = ledgers.curve(columns, other, "000")
    assert len(curve.steps) <= ledgers.POINTS and curve.steps[[0, -1]].tolist() == [1, 5000]
    np.testing.assert_array_equal(curve.loss, loss[curve.steps - 1])
    assert (curve.difference == 2).all() and curve.first_step == 1
    short = ledgers.read(write(tmp_path / "s", loss[:10]))
    assert len(ledgers.curve(columns, short, "000").difference) == 10
