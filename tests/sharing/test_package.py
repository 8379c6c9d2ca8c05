"""What a package holds, what it leaves out, and that its network is the network of the run."""

import dataclasses
import getpass
import json
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from experiments_helpers import digests, result
from micro_runs import micro
from packages_here import OLDER, files_of, quick, stand_in
from programs_here import here

import mrjax.sharing
from mrjax.config import RunConfig
from mrjax.data.pipeline import Normalisation
from mrjax.errors import UserError
from mrjax.runs import atomic, environment
from mrjax.sharing import package
from mrjax.sharing.package import cleaned, example, packed
from mrjax.tasks import exchange, registry
from mrjax.tasks.breast.classical import Threshold
from mrjax.tasks.package import layout, schema
from mrjax.tasks.qsm.classical import Tuned as TunedQsm
from mrjax.tasks.varnet.classical import Tuned
from mrjax.tasks.varnet.exchange import describe

PAGE = Path(mrjax.sharing.__file__).with_name("README.md").read_text(encoding="utf-8")
TELL_TALE = ("tellhome", "telluser", "tellhost", "telldata", "tellwork", "tellrun", "telltune",
             "telldump", "tellcache", "tellpatient", "tellnote", "tellgpu", "tellname",
             "telldisk")  # fmt: skip

KEPT = ["--xla_cpu_enable_fast_math=false", "--xla_force_host_platform_device_count=2"]
"""Words that name no place, though one of them has the word host."""


def copy(folder: Path) -> Path:
    return Path(shutil.copytree(OLDER, folder))


def change(path: Path, **entries) -> None:
    """Change entries of a JSON file; an object is merged into the one that is there."""
    content = json.loads(path.read_bytes())
    for name, value in entries.items():
        merged = isinstance(value, dict) and isinstance(content.get(name), dict)
        content[name] = content[name] | value if merged else value
    atomic.write_json(path, content)


def test_the_same_run_gives_the_same_bytes_from_every_place(tmp_path):
    runs = [copy(tmp_path / "here" / "a run"), copy(tmp_path / "elsewhere" / "x" / "run")]
    made = [package.write(run, run.parent / "package") for run in runs]
    one, other = (files_of(found.folder) for found in made)
    assert one == other and set(one) == {*layout.FILES, layout.MANIFEST}
    assert made[0].digest == made[1].digest and set(made[0].test_inputs) == {
        *registry.TASKS["varnet"].inputs
    }
    assert made[0].test_output.dtype == np.complex64


def tell_tale(folder: Path, dataset: str) -> Path:
    """A run whose records name its maker's machine and patients wherever they can."""
    run = copy(folder / "tellrun")
    home = "/home/telluser/tellhome"
    change(
        run / "config.json",
        config={
            "workdir": f"{home}/tellwork",
            "data_dir": "telldata" if dataset == "synthetic" else f"{home}/telldata",
            "from_run": "../tellrun",
            "xla_autotune_file": "telltune.txt",
            "coordinator": "tellhost:1234",
            "keep_checkpoints": 7,
            "dataset": dataset,
            "a_flag_of_later_code": f"{home}/telldata",
        },
    )
    _tell_flags(run, home, dataset)
    machine = _tell_machine(home)
    change(run / "environment.json", **machine)
    change(run / "environment.json", resumed_with=[machine])
    _tell_subjects(run, home, dataset)
    return run


def _tell_flags(run: Path, home: str, dataset: str) -> None:
    flags = (run / "flags.txt").read_text()
    lines = (
        f"--data_dir={home}/telldata",
        f"--from_run={home}",
        "--xla_autotune_file=telltune.txt",
    )
    flags = flags.replace("--dataset=synthetic", f"--dataset={dataset}")
    (run / "flags.txt").write_text("\n".join([flags.strip(), *lines]) + "\n")


def _tell_machine(home: str) -> dict:
    variables = {
        "XLA_FLAGS": f"--xla_dump_to=telldump --xla_x={home} --xla_y=/telldisk {KEPT[0]} {KEPT[1]}",
        "JAX_COMPILATION_CACHE_DIR": "tellcache",
        "CUDA_VISIBLE_DEVICES": "GPU-0a1b2c3d-tellgpu",
        "OMP_NOTE": "on tellhost.example.org as telluser",
        "OMP_NUM_THREADS": "4",
    }
    seen = ["--xla_dump_to=telldump", f"--xla_a={home}", "--xla_b=/telldisk", *KEPT]
    return {
        "system": {"host": "tellhost.example.org"},
        "variables": variables,
        "backend": {
            "variables": variables, "notes": [f"see {home}"], "xla_flags_seen": seen,
            "compilation_cache": "tellcache", "device_kind": "cpu of tellhost",
        },
        "tellname": home,
    }  # fmt: skip


def _tell_subjects(run: Path, home: str, dataset: str) -> None:
    account = {"found": 4, "training": 1, "held_out": 2, "notes": ["in ppm: tellnote"]}
    left = [{"name": "tellpatient", "reason": f"no mask in {home}"}]
    names = json.loads((run / "result.json").read_bytes())["subjects"]
    change(
        run / "result.json",
        data=account | {"left_out": left, "accepted": ["tellnote"]},
        subjects=[f"tellpatient_{name}" for name in names] if dataset != "synthetic" else names,
        extra={"free": "tellnote"},
    )


@pytest.mark.parametrize("dataset", ["synthetic", "fastmri"])
def test_nothing_names_the_makers_machine(tmp_path, dataset):
    run = tell_tale(tmp_path, dataset)
    made = quick(run, tmp_path / "package")
    for name, content in files_of(made.folder).items():
        found = [word for word in TELL_TALE if word.encode() in content]
        assert not found, (name, found)
        for word in (str(tmp_path), str(Path.cwd()), str(Path.home()) + "/"):
            assert word.encode() not in content, (name, word)
    kept = made.environment["variables"]
    assert kept["XLA_FLAGS"] == " ".join(KEPT)
    assert kept["OMP_NUM_THREADS"] == "4" and "CUDA_VISIBLE_DEVICES" not in kept
    assert made.environment["backend"]["xla_flags_seen"] == KEPT
    assert made.environment["resumed_with"][0]["variables"]["OMP_NUM_THREADS"] == "4"
    assert not {"coordinator", "keep_checkpoints", "workdir", "data_dir"} & set(made.settings)
    assert made.fine_tuned and made.settings["dataset"] == dataset


def test_a_run_on_this_machine_does_not_name_it(tmp_path):
    """Its records are made here, with the names that this machine has."""
    run = copy(tmp_path / "run")
    facts = {"backend": json.loads((run / "environment.json").read_bytes())["backend"]}
    atomic.write_json(run / "environment.json", environment.capture(facts, Path.cwd()))
    files = files_of(quick(run, tmp_path / "package").folder)
    record = files[layout.ENVIRONMENT].decode()
    assert '"numpy"' in record and '"host"' not in record
    for word in (socket.gethostname(), getpass.getuser()):
        assert f'"{word}"' not in record and f"/{word}/" not in record


def test_subjects_of_files_are_numbers(tmp_path):
    made = quick(tell_tale(tmp_path, "fastmri"), tmp_path / "package")
    assert made.result["subjects"] == ["subject_001", "subject_002"]
    assert made.result["data"] == {"found": 4, "training": 1, "held_out": 2}
    card = (made.folder / layout.CARD).read_text()
    assert "The test input comes from no person" in " ".join(card.split())
    assert "Their names are left out" in card and "--data_dir=FOLDER --from_run=NETWORK" in card


@pytest.mark.parametrize("task", registry.TASKS)
def test_the_test_input_is_synthetic_whatever_the_data_are(task, tmp_path):
    kind, presets = registry.program(task)
    for preset in presets.values():
        dataset = "fastmri" if task in ("varnet", "e2e") else "nifti"
        theirs = {**preset, "dataset": dataset, "data_dir": "/patients", "unit": "Hz"}
        config = kind(**(theirs if task == "breast" else theirs | {"n_test": 0}))
        small = example.small(config, tmp_path)
        small.check()
        assert (small.dataset, small.steps, small.from_run) == ("synthetic", 0, str(tmp_path))


def test_settings_that_are_free_text_are_known():
    """Each of them names a file, or is listed as one that does not; a new one must be judged."""
    found = set()
    for task in registry.TASKS:
        for kind in (registry.program(task)[0], registry.program(registry.PYTORCH, task)[0]):
            for field in dataclasses.fields(kind):
                if field.type in (str, "str") and not field.metadata["choices"]:
                    found.add(field.name)
    names = {"data_dir", "from_run", "xla_autotune_file", "workdir", "coordinator", "accept"}
    assert found == names
    assert not set(cleaned.NO_FILE) & found - {"accept"}


def test_constants_are_those_of_the_tasks():
    kinds = {"normalisation": Normalisation, "threshold": Threshold}
    tuned = {"qsm": TunedQsm, "varnet": Tuned, "e2e": Tuned}
    for task, groups in [(k, t.constants) for k, t in registry.TASKS.items()]:
        for group, names in groups.items():
            kind = tuned[task] if group == "tuned" else kinds[group]
            assert tuple(field.name for field in dataclasses.fields(kind)) == names


def documented(title: str) -> list[str]:
    """Names in the first column of a section of the page on packages."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.M)


def test_the_page_lists_what_a_package_holds(tmp_path):
    made = quick(OLDER, tmp_path / "package")
    assert set(documented("Files")) == {*layout.FILES, layout.MANIFEST, layout.SIGNATURE}
    for name, limit in layout.LIMITS.items():
        shown = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
        assert f"| `{name}` | {shown} |" in PAGE, name
    fields = documented("`config.json`")
    assert {name.split(".")[0] for name in fields} == set(schema.CONFIG)
    within = {name.split(".")[1] for name in fields if name.startswith("result.")}
    assert within == set(schema.RESULT) >= set(made.result)
    for names in [task.inputs for task in registry.TASKS.values()]:
        assert all(f"`{name}` (" in PAGE for name in names)


def test_a_run_of_older_code(tmp_path):
    made = quick(OLDER, tmp_path / "package")
    assert "packages" not in made.environment and "domain" not in made.constants
    card = (made.folder / layout.CARD).read_text()
    assert "The full list of installed packages is not recorded." in card
    assert "The properties of the training subjects are not recorded." in card
    assert isinstance(package.configuration(made), RunConfig)
    assert [line["step"] for line in made.ledger] == [1, 2, 3, 4]


def test_all_packages_are_recorded_and_none_is_compared():
    here_and_now = environment.capture({}, Path.cwd())
    assert here_and_now["packages"]["numpy"] == np.__version__
    assert list(here_and_now["packages"]) == sorted(here_and_now["packages"])
    other = here_and_now | {"packages": {"numpy": "0"}}
    assert environment.differences(here_and_now, other) == []


def test_the_head_of_the_card(tmp_path):
    yaml = pytest.importorskip("yaml")
    here("network", "package", str(OLDER), f"--output={tmp_path / 'p'}", "--license=cc-by-4.0")
    _, head, text = (tmp_path / "p" / layout.CARD).read_text().split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["library_name"] == "mrjax" and found["license"] == "cc-by-4.0"
    assert {"mri", "varnet", "jax"} <= set(found["tags"])
    assert set(found["metrics"]) == {"nrmse", "psnr", "ssim"}
    assert "nothing here shows that it is fit for diagnosis" in " ".join(text.split())
    assert "| NRMSE | 0.2027 |" in text
    with pytest.raises(UserError, match="--license"):
        package.write(OLDER, tmp_path / "q", "my own\nlicence")


def spoilt(folder: Path, what: str) -> Path:
    run = copy(folder / what)
    if what == "unfinished":
        (run / "result.json").unlink()
    elif what == "inference":
        change(run / "result.json", steps=0)
        change(run / "config.json", config={"from_run": "/the/network"})
    elif what == "whole":
        change(run / "result.json", children=["repetition_000/fold_00"])
    elif what == "foreign":
        change(run / "result.json", framework="other")
    elif what == "no ledger":
        (run / "ledger.jsonl").unlink()
    elif what == "mixed":
        change(run / "config.json", digest="0" * 64)
    elif what == "weights":
        change(run / "result.json", digests={"params": "0" * 64})
    elif what == "unknown":
        change(run / "config.json", config={"no_flag": 3})
    return run


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("unfinished", "result.json"),
        ("inference", "name the network that it used, /the/network"),
        ("whole", "whole cross-validation"),
        ("foreign", "in other; expected"),
        ("no ledger", "ledger.jsonl is missing"),
        ("mixed", "not of the run in result.json"),
        ("weights", "other weights"),
        ("unknown", "no_flag"),
    ],
)
def test_what_cannot_be_packed(tmp_path, what, words):
    run = spoilt(tmp_path, what)
    with pytest.raises(UserError) as error:
        package.write(run, tmp_path / "package")
    assert words in str(error.value) and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [what]


def test_where_nothing_is_written(tmp_path):
    made = quick(OLDER, tmp_path / "package")
    before = files_of(made.folder)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "void").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "void")
    bad = ("package", "file", "file/below", "/proc/x", "a\0b", "link", "x" * 300)
    for output in (tmp_path / name for name in bad):
        with pytest.raises(UserError):
            quick(OLDER, output)
    with pytest.raises(UserError, match="is not empty; expected an empty or absent folder"):
        package.write(OLDER, made.folder)  # before the network is applied
    with pytest.raises(UserError, match="File name too long"):
        quick(Path("x" * 300), tmp_path / "again")
    with pytest.raises(UserError, match="is a package already"):
        quick(made.folder, tmp_path / "again")
    assert files_of(made.folder) == before and (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "package", "void"]
    (tmp_path / "empty").mkdir()
    assert quick(OLDER, tmp_path / "empty").digest == made.digest


def test_an_imported_network(tmp_path):
    shapes = {"kernel": (3, 3, 2, 2), "rbf": (2, 5), "data_weight": ()}
    leaves = {
        f"stage{i}/{name}": np.full(shape, 0.1, np.float32)
        for i in range(2)
        for name, shape in shapes.items()
    }
    tuned = {"tuned": dataclasses.asdict(Tuned())}
    exchange.store(describe(leaves), leaves, tuned, tmp_path / "run", "network.pth")
    made = package.write(tmp_path / "run", tmp_path / "package")
    assert made.result["origin"] == "network.pth" and made.ledger == []
    np.testing.assert_array_equal(made.weights.params["stage1/rbf"], leaves["stage1/rbf"])
    assert "Another program trained this network" in (made.folder / layout.CARD).read_text()


RUNS = {
    "qsm": ("qsm", ()),
    "varnet": ("varnet", ("--numerics=reproducible", "--stages=1")),
    "breast": ("breast", ("--fold=0",)),
    "e2e": ("e2e", ()),
    "pytorch": ("pytorch", ("--task=qsm",)),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_packed_network_is_that_of_the_run(tmp_path, name):
    program, flags = RUNS[name]
    if program == "pytorch":
        pytest.importorskip("torch", reason="needs torch")
    task = program if program in registry.TASKS else "qsm"
    run, folder = tmp_path / "run", tmp_path / "package"
    here(program, *micro(task), *flags, f"--workdir={run}")
    here("network", "package", str(run), f"--output={folder}")
    made = package.read(folder)
    assert (made.task, made.framework) == (task, result(run)["framework"])
    assert made.exact == ("--numerics=reproducible" in flags)
    assert made.constants["domain"] and made.environment["packages"]
    assert set(made.test_inputs) == set(registry.TASKS[task].inputs) and np.ptp(
        np.abs(made.test_output)
    )
    assert packed.configuration(made).experiment == task
    for source in (run, folder):
        again = ("--steps=0", f"--from_run={source}", f"--workdir={source}_again")
        here(program, *micro(task), *flags, *again)
    for wanted in ("params", "predictions"):
        found = {digests(tmp_path / path)[wanted] for path in ("run", "run_again", "package_again")}
        assert len(found) == 1, wanted


def test_from_run_refuses_what_is_not_its_network(tmp_path):
    made = quick(OLDER, tmp_path / "package")
    asked = (f"--from_run={made.folder}", "--steps=0", f"--workdir={tmp_path / 'w'}")
    for program, flags, words in (
        ("qsm", micro("qsm"), "is a package of varnet"),
        ("varnet", micro("varnet"), "--width=3"),
    ):
        done = here(program, *flags, *asked, check=False)
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1
    (made.folder / layout.CARD).write_text("other")
    done = here("varnet", *micro("varnet"), *asked, check=False)
    assert done.returncode == 2 and "README.md was changed" in done.stderr


def test_the_stand_in_has_the_names_of_the_format():
    for task, names in [(k, t.inputs) for k, t in registry.TASKS.items()]:
        made = stand_in(Path(), {}, task)
        assert names and set(made) == {layout.TEST_INPUT, layout.TEST_OUTPUT}
