"""The first proof: the command of the README ends with the digits that the README shows."""

import re
import shlex

from experiments_helpers import call
from helpers import ROOT

SECTION = re.compile(r"^## Order-free arithmetic\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)


def shown() -> tuple[list[str], list[str]]:
    """The command after ``-m``, and the lines shown below it as comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = BLOCK.findall(SECTION.search(text)[1])
    command, *lines = block.strip().splitlines()
    assert all(line.startswith("# ") for line in lines)
    words = shlex.split(command)
    return words[words.index("-m") + 1 :], [line.removeprefix("# ") for line in lines]


def test_the_readme_shows_the_digits_that_its_command_prints(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments_helpers.SECONDS", 1200)  # if others compute, too
    (program, *flags), lines = shown()
    assert [line.split()[0] for line in lines] == ["network", "predictions"]
    words = (program.removeprefix("experiments."), *flags, f"--workdir={tmp_path / 'run'}")
    done = call(*words, anew=True)  # without optimisation these hundred steps take longer
    assert done.stdout.splitlines()[-3:] == [*lines, f"finished: {tmp_path / 'run'}"]
