"""Packages that someone made to do harm: nothing is followed, run, awaited or believed."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import package_mutations
import pytest
from helpers import ROOT
from packages_here import OLDER, files_of, put, quick

from mrjax.errors import UserError
from mrjax.sharing import package
from mrjax.tasks import package as format_of
from mrjax.tasks import registry
from mrjax.tasks.package import content, folder, layout, tensors

MOST_MEGABYTES = 500


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    made = tmp_path_factory.mktemp("hostile") / "whole"
    quick(OLDER, made)
    return files_of(made)


@pytest.fixture
def there(whole, tmp_path) -> Path:
    """A whole package, to be spoilt."""
    return put(tmp_path / "package", whole)


def forge(folder: Path, **changed: bytes) -> None:
    """Change files, and write the manifest that fits."""
    files = files_of(folder) | {name.replace("__", "/"): new for name, new in changed.items()}
    del files[layout.MANIFEST]
    put(folder, files | {layout.MANIFEST: content.manifest_of(files)})


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(UserError) as error:
        package.read(folder)
    said = str(error.value)
    assert "\n" not in said and said.isprintable()
    for word in words:
        assert word in said, said


def test_a_whole_package_is_read(there):
    found = package.read(there)
    assert found.digest == hashlib.sha256((there / layout.MANIFEST).read_bytes()).hexdigest()
    assert found.digest not in (there / layout.CARD).read_text()


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "test/../../outside", "README.md/../x", "..", ""]
)
def test_no_name_leads_outside(there, name):
    manifest = json.loads((there / layout.MANIFEST).read_bytes())
    outside = there.parent / "outside"
    outside.write_text("mine")
    entry = {"bytes": 4, "sha256": hashlib.sha256(b"mine").hexdigest()}
    manifest["files"][name] = entry
    (there / layout.MANIFEST).write_bytes(layout.canonical(manifest))
    refused(there, layout.MANIFEST, "does not list the files of a package")
    del manifest["files"][layout.CARD]
    (there / layout.MANIFEST).write_bytes(layout.canonical(manifest))
    refused(there, layout.MANIFEST)
    assert outside.read_text() == "mine"


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm_was_done",)


@pytest.mark.parametrize("name", [layout.WEIGHTS, layout.TEST_INPUT, layout.TEST_OUTPUT])
def test_pickles_and_archives_are_not_opened(there, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forge(there, **{name.replace("/", "__"): pickle.dumps(Harm())})
    refused(there, name, "does not follow the format")
    with zipfile.ZipFile(there / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", pickle.dumps(Harm()) + bytes(10**6))
    bomb = (there / "bomb").read_bytes()
    (there / "bomb").unlink()
    forge(there, **{name.replace("/", "__"): bomb})
    refused(there, name, "does not follow the format")
    assert not (tmp_path / "harm_was_done").exists()


def header(entries: dict) -> bytes:
    text = json.dumps(entries, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text


def tensor(shape, first: int, last: int, dtype="F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


@pytest.mark.parametrize(
    "forged",
    [
        header({"params/a": tensor([2**40], 0, 2**42)}),
        header({"params/a": tensor([2**40], 0, 4)}) + bytes(4),
        header({"params/a": tensor([2**62, 2**62], 0, 4)}) + bytes(4),
        header({"params/a": tensor([-1], 0, 4)}) + bytes(4),
        header({"params/a": tensor("", 0, 4)}) + bytes(4),
        header({"params/a": tensor([1], 0, 4, "F8_E4M3")}) + bytes(4),
        header({"params/a": tensor([1], 0, 4, ["F32"])}) + bytes(4),
        header({"params/a": tensor([1], 4, 8)}) + bytes(8),
        header({"params/a": tensor([1], 0, 4), "params/b": tensor([1], 0, 4)}) + bytes(4),
        header({"params/a": tensor([1], 0, 4)}) + bytes(5),
        header({"__metadata__": {"a": "b"}, "params/a": tensor([1], 0, 4)}) + bytes(4),
        header({"params/a": tensor([1] * 100, 0, 4)}) + bytes(4),
        header({f"params/{i}": tensor([0], 0, 0) for i in range(10_000)}),
        (2**63).to_bytes(8, "little") + b"{}",
        (8).to_bytes(8, "little") + b'{"a":NaN',
        (10**5).to_bytes(8, "little") + b"[" * 10**5,
        b"",
        b"\0" * 7,
    ],
)
def test_arrays_that_lie_about_their_size(there, forged):
    forge(there, **{layout.WEIGHTS: forged})
    refused(there, layout.WEIGHTS, "does not follow the format")
    with pytest.raises(ValueError):
        tensors.load(forged)


def test_other_weights_under_the_old_digest(there):
    leaves = tensors.load((there / layout.WEIGHTS).read_bytes())
    name = min(leaves)
    forge(there, **{layout.WEIGHTS: tensors.dump(leaves | {name: leaves[name] + 1})})
    refused(there, layout.WEIGHTS, "digests.params")
    forge(there, **{layout.WEIGHTS: tensors.dump(leaves | {"os.system": np.zeros(1, "f4")})})
    refused(there, layout.WEIGHTS)


@pytest.mark.parametrize("name", [*layout.FILES, layout.MANIFEST])
def test_links_pipes_and_folders_are_no_files(there, name, tmp_path):
    content = (there / name).read_bytes()
    outside = tmp_path / "outside"
    outside.write_bytes(content)
    (there / name).unlink()
    (there / name).symlink_to(outside)
    refused(there, name, "is a link, a pipe or a device")
    (there / name).unlink()
    os.link(outside, there / name)
    refused(there, name, "hard links")
    (there / name).unlink()
    os.mkfifo(there / name)
    refused(there, name, "is a link, a pipe or a device")
    (there / name).unlink()
    (there / name).mkdir()
    refused(there, name)


def test_a_linked_folder_inside(there, tmp_path):
    shutil.move(there / layout.TEST, tmp_path / "elsewhere")
    (there / layout.TEST).symlink_to(tmp_path / "elsewhere")
    refused(there, layout.TEST, "is no folder")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a device")
def test_a_device(there):
    (there / layout.CARD).unlink()
    try:
        os.mknod(there / layout.CARD, 0o20666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("this machine lets nobody make a device")
    refused(there, layout.CARD, "is a link, a pipe or a device")


@pytest.mark.parametrize(
    "name",
    [b"readme.md", b"Config.json", b"x", b"x\xe9", b"a\nb", b"test/X", b"model.bin", b".x"],
)
def test_other_names(there, name):
    Path(os.fsdecode(os.path.join(os.fsencode(there), name))).write_bytes(b"")  # noqa: PTH118
    refused(there, "is none of a package")


def test_a_million_names_are_not_read(there, monkeypatch):
    for number in range(2000):
        (there / f"{number:07d}").touch()
    asked, scandir = [], os.scandir

    class Counting:
        def __init__(self, place):
            self.entries = scandir(place)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            self.entries.close()

        def __iter__(self):
            for entry in self.entries:
                asked.append(entry.name)
                yield entry

    monkeypatch.setattr(os, "scandir", Counting)
    refused(there, "is none of a package")
    assert len(asked) <= len(layout.TOP) + 2


@pytest.mark.parametrize("name", [*layout.FILES, layout.MANIFEST])
def test_files_of_a_gigabyte_are_not_read(there, name):
    os.truncate(there / name, 2**30)  # a hole, which takes no room
    refused(there, name, f"{2**30} bytes", "at most")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a program")
def test_the_memory_of_a_reader_is_bounded(there):
    """Every file is as large as it may be, and the weights are refused last."""
    line = (there / layout.LEDGER).read_bytes().splitlines()[0].replace(b'"step":1,', b"")
    count = layout.LIMITS[layout.LEDGER] // (len(line) + 17)
    lines = b"".join(b'{"step":%d,%b\n' % (i, line[1:]) for i in range(1, count))
    floats = (layout.LIMITS[layout.TEST_INPUT] - 1000) // 12
    values = {name: np.ones(floats, "f4") for name in registry.TASKS["varnet"].inputs}
    output = {layout.OUTPUT: np.ones(3 * floats, "f4")}
    forge(
        there,
        **{
            layout.LEDGER: lines,
            "test__input.safetensors": tensors.dump(values),
            "test__output.safetensors": tensors.dump(output),
            layout.WEIGHTS: tensors.dump(
                {"params/a": np.zeros((layout.LIMITS[layout.WEIGHTS] - 100) // 4, "f4")}
            ),
        },
    )
    code = (
        "import sys\n"
        "from mrjax.errors import UserError\n"
        "from mrjax.tasks import package\n"
        "try:\n    package.read(sys.argv[1])\n"
        "except UserError as error:\n    print(error)\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(there)], cwd=ROOT, capture_output=True, text=True
    )
    said, memory = done.stdout.splitlines()
    assert "expected the weights of digests.params" in said, said
    assert int(memory) < MOST_MEGABYTES


def test_json_that_takes_more_room_as_objects(there):
    """A line of a ledger, and a list, of a million empty objects."""
    many = b'{"step":1,"x":[' + b"{}," * 10**6 + b"{}]}\n"
    forge(there, **{layout.LEDGER: many})
    refused(there, layout.LEDGER, "lines of at most")
    forge(there, **{layout.CONFIG: b'{"x": [' + b"{}," * 10**5 + b"{}]}"})
    refused(there, layout.CONFIG)


def test_a_card_that_lies_about_its_digest(there):
    old = package.read(there).digest
    card = (there / layout.CARD).read_text() + f"\nThe digest of this package is {old}.\n"
    forge(there, **{layout.CARD: card.encode()})
    assert package.read(there).digest != old
    (there / layout.CARD).write_text("other")
    refused(there, layout.CARD, "was changed")


@pytest.mark.parametrize(
    ("name", "old", "new", "word"),
    [
        (layout.CONFIG, b'"task": "varnet"', b'"task": "qsm"', "constants"),
        (layout.CONFIG, b'"framework": "jax"', b'"framework": "eval"', "framework"),
        (layout.CONFIG, b'"steps": 4', b'"steps": -4', "steps"),
        (layout.CONFIG, b'"iterations": 20', b'"iterations": "20"', "tuned"),
        (layout.CONFIG, b'"iterations": 20', b'"iterations": NaN', ""),
        (layout.CONFIG, b'"test"', b'"tett"', "keys"),
        (layout.ENVIRONMENT, b'"python"', b'"python" ', "spelt"),
        (layout.FLAGS, b"--width=3", b"--width=4", "--width"),
        (layout.FLAGS, b"--width=3", b"--flagfile=/etc/passwd", "settings"),
        (layout.LEDGER, b'"step":2', b'"step":1', "ledger"),
        (layout.LEDGER, b'"loss"', b'"lass"', "ledger"),
        (layout.CARD, b"mrjax", b"\xff\xfe", ""),
    ],
)
def test_forged_fields(there, name, old, new, word):
    before = (there / name).read_bytes()
    assert old in before
    forge(there, **{name: before.replace(old, new, 1)})
    refused(there, name, "does not follow the format", word)


def test_a_later_version_and_no_package(there, tmp_path):
    later = (there / layout.MANIFEST).read_bytes().replace(b'version":1', b'version":2')
    (there / layout.MANIFEST).write_bytes(later)
    refused(there, layout.MANIFEST, "is of version 2", "newer version of mrjax")
    refused(OLDER, "is no package", "correct the path")
    for path in (tmp_path / "absent", tmp_path, there / layout.CARD, Path("a\0b")):
        with pytest.raises(UserError):
            format_of.read(path)


def test_the_signature_is_bounded_too(there):
    assert folder.read_signature(there) is None
    (there / layout.SIGNATURE).write_bytes(b"signed")
    assert folder.read_signature(there) == b"signed"
    assert package.read(there).digest
    os.truncate(there / layout.SIGNATURE, 2**30)
    with pytest.raises(UserError, match="at most"):
        folder.read_signature(there)
    (there / layout.SIGNATURE).unlink()
    (there / layout.SIGNATURE).symlink_to(there / layout.CARD)
    with pytest.raises(UserError, match="is a link"):
        folder.read_signature(there)


def test_mutated_packages_are_refused_in_one_line(tmp_path):
    outcomes = package_mutations.run(500, tmp_path)
    assert sum(outcomes.values()) == 500 and outcomes["refused"] > 400
