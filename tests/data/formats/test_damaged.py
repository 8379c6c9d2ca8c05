"""Damaged files of every format: a result or one line, never anything else (tests/damage.py)."""

import os

import damage
import pytest

MUTATIONS = int(os.environ.get("MRJAX_MUTATIONS", "60"))


@pytest.mark.parametrize("name", damage.FORMATS)
def test_a_damaged_file_is_one_line_or_is_read(name, tmp_path):
    found = damage.attempts(name, tmp_path, MUTATIONS)
    assert found.lines and not any("\n" in line for line in found.lines)
    assert found.memory <= damage.MEMORY
