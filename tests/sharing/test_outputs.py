"""Files that a command writes at its end are refused at its start if they cannot be written."""

import errno

import pytest

from mrjax.errors import UserError
from mrjax.sharing import outputs


def test_a_new_file_in_a_folder_that_is_open_leaves_no_trace(tmp_path):
    outputs.check_new("output", tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["file", "link", "folder", "none/x", "file/x", "/proc/x", "x" * 300]
)
def test_what_cannot_be_written_is_refused(name, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"^--output=[^\n]* expected [^\n]*; name another$"):
        outputs.check_new("output", tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "link"]


def test_a_full_disk_is_no_mistake_of_the_user(tmp_path):
    with pytest.raises(OSError), outputs.refusals("output", tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match="too long"), outputs.refusals("output", tmp_path):
        raise OSError(errno.ENAMETOOLONG, "File name too long")
