"""Packages whose manifest fits although a field is forged, by changes that are small."""

import hashlib
import json

import numpy as np
import pytest
import safetensors.numpy
from packages_here import OLDER, files_of, put, quick

from mrjax.errors import UserError
from mrjax.sharing import package
from mrjax.sharing.verify import checks
from mrjax.sharing.verify.findings import FAILED
from mrjax.tasks.package import content, folder, layout, tensors


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    made = tmp_path_factory.mktemp("forged") / "whole"
    quick(OLDER, made)
    return files_of(made)


@pytest.fixture
def there(whole, tmp_path):
    return put(tmp_path / "package", whole)


def forged(there, name, new):
    files = files_of(there) | {name: new}
    del files[layout.MANIFEST]
    return put(there, files | {layout.MANIFEST: content.manifest_of(files)})


def refused(there, name, *words):
    with pytest.raises(UserError) as error:
        package.read(there)
    assert all(word in str(error.value) for word in (name, *words)), str(error.value)


def test_a_manifest_has_one_spelling(there):
    """Else one package could be given several digests."""
    spelt = json.loads((there / layout.MANIFEST).read_bytes())
    card = spelt["files"][layout.CARD]
    larger = {layout.CARD: card | {"bytes": card["bytes"] + 1}}
    others = (spelt | {"more": 1}, spelt | {"files": spelt["files"] | larger})
    for text in (*map(layout.canonical, others), layout.readable(spelt)):
        (there / layout.MANIFEST).write_bytes(text)
        refused(there, layout.MANIFEST, "is not spelt")


def test_a_manifest_lists_size_and_sha256_of_each_file():
    text = content.manifest_of({"a": b"xyz"})
    assert json.loads(text)["files"] == {
        "a": {"bytes": 3, "sha256": hashlib.sha256(b"xyz").hexdigest()}
    }


@pytest.mark.parametrize("name", [layout.TEST_INPUT, layout.TEST_OUTPUT])
def test_test_arrays_are_finite(there, name):
    arrays = tensors.load((there / name).read_bytes())
    first = min(arrays)
    arrays[first] = np.full_like(arrays[first], np.nan)
    refused(forged(there, name, tensors.dump(arrays)), name, "finite numbers")


def test_records_hold_no_other_fields(there):
    config = json.loads((there / layout.CONFIG).read_bytes()) | {"note": "x"}
    refused(forged(there, layout.CONFIG, layout.readable(config)), layout.CONFIG, "the keys")


def test_lines_of_a_ledger_hold_no_other_fields(there):
    ledger = (there / layout.LEDGER).read_bytes()
    more = ledger.replace(b'{"step"', b'{"note":"x","step"', 1)
    assert more != ledger
    refused(forged(there, layout.LEDGER, more), layout.LEDGER, "a line of a ledger (1)")


def test_a_file_may_have_as_many_bytes_as_its_limit_and_not_one_more(there, monkeypatch):
    size = (there / layout.CARD).stat().st_size
    monkeypatch.setattr(folder, "LIMITS", {**layout.LIMITS, layout.CARD: size})
    assert package.read(there)
    monkeypatch.setattr(folder, "LIMITS", {**layout.LIMITS, layout.CARD: size - 1})
    refused(there, layout.CARD, f"at most {size - 1}")


@pytest.mark.parametrize("more", [-1, 1])
def test_a_file_that_changes_while_it_is_read(there, more, monkeypatch):
    whole = folder._bytes
    monkeypatch.setattr(folder, "_bytes", lambda *a: (whole(*a) + b"x")[: a[1] + more])
    refused(there, layout.MANIFEST, "changed while it was read")


def test_every_digit_of_a_printed_digest_counts():
    digest = "0123456789abcdef" * 4
    for place in (15, 16, 40, 63):
        other = f"{digest[:place]}{'0' if digest[place] != '0' else '1'}{digest[place + 1 :]}"
        assert checks.origin(other, digest).outcome == FAILED


@pytest.mark.parametrize("name", [layout.FLAGS, layout.TEST_INPUT])
def test_a_file_that_is_not_there_is_named(there, name):
    (there / name).unlink()
    refused(there, "", f"lacks {name.rpartition('/')[2]}")


@pytest.mark.parametrize(
    ("spans", "size", "said"),
    [
        ([(0, 4), (8, 12)], 12, "without gaps"),
        ([(4, 8)], 8, "without gaps"),
        ([(0, 4)], 5, "as many bytes"),
        ([(0, 4)], 3, "as many bytes"),
        ([(0, 8)], 8, "the size of its shape"),
    ],
)
def test_the_header_of_arrays_is_judged_before_the_loader_sees_it(spans, size, said, monkeypatch):
    monkeypatch.setattr(safetensors.numpy, "load", lambda content: pytest.fail("was loaded"))
    entries = {
        f"params/{i}": {"dtype": "F32", "shape": [1], "data_offsets": list(span)}
        for i, span in enumerate(spans)
    }
    text = json.dumps(entries, separators=(",", ":")).encode()
    with pytest.raises(ValueError, match=said):
        tensors.load(len(text).to_bytes(8, "little") + text + bytes(size))


def test_a_header_names_each_array_once(monkeypatch):
    monkeypatch.setattr(safetensors.numpy, "load", lambda content: pytest.fail("was loaded"))
    one = '"params/a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    for text in (f"{{{one},{one}}}", f"{{ {one}}}"):
        with pytest.raises(ValueError, match="each name once"):
            tensors.load(len(text).to_bytes(8, "little") + text.encode() + bytes(4))
