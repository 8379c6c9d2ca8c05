"""Recipes by name."""

import pytest

from mrjax.errors import UserError
from mrjax.study.plan import recipes


def test_a_recipe_stands_for_its_flag_file():
    found = recipes.replaced(["plan", "--recipe=tiny_qsm", "--study=DIR"])
    assert found == ["plan", f"--flagfile={recipes.FOLDER / 'tiny_qsm.flags'}", "--study=DIR"]


def test_the_list_says_what_each_is():
    lines = recipes.table().splitlines()
    assert len(lines) == len(recipes.names()) > 15
    assert [line.split()[0] for line in lines] == recipes.names()
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)
    assert "# What" not in recipes.table()


def test_another_name_is_a_mistake():
    with pytest.raises(UserError, match=r"tiny_qms.*expected one of.*tiny_qsm"):
        recipes.replaced(["--recipe=tiny_qms"])
