"""One dataclass, three mirrors: flags, JSON, digest."""

import dataclasses
import hashlib
import importlib
import json
import typing

import pytest
from absl import flags

from mrjax import config as configs
from mrjax.config import RunConfig, option
from mrjax.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    width: int = option(8, "Filters of the first level", unit="filters", minimum=1)
    echo_time: float | None = option(None, "Echo time", unit="s")
    note: str = option("", "Free text")
    dataset: str = option("synthetic", "Data", choices=("synthetic", "tfds"))

    def check(self):
        super().check()
        if self.width == 13:
            raise UserError("width 13")


PRESETS = {"demo": {}, "tiny": {"steps": 20, "width": 2}, "paper": {"learning_rate": 1}}


def parse(*argv, presets=PRESETS, cls=Config):
    values = flags.FlagValues()
    configs.define_flags(cls, values, presets)
    assert values(["program", *argv]) == ["program"]
    return configs.from_flags(cls, presets, values)


def refused(match, **fields):
    with pytest.raises(UserError, match=match) as caught:
        Config(**fields).check()
    assert "\n" not in str(caught.value) and "; expected " in str(caught.value)


# flags


def test_explicit_flag_beats_preset_beats_default():
    assert parse().steps == 400
    assert parse("--preset=tiny").steps == 20
    assert parse("--preset=tiny", "--steps=400").steps == 400  # explicit, though it is the default
    assert parse("--steps=7", "--preset=tiny") == Config(steps=7, width=2, preset="tiny")


def test_flags_of_every_kind():
    config = parse("--echo_time=0.02", "--xla_deterministic", "--noresume", "--seed_init=5")
    assert config == Config(echo_time=0.02, xla_deterministic=True, resume=False, seed_init=5)
    assert parse("--xla_cpu_isa=", "--note=two words").note == "two words"


def test_preset_missing_from_the_experiment():
    with pytest.raises(UserError, match=r"--preset=paper is not a preset .* one of demo;"):
        parse("--preset=paper", presets={"demo": {}})


def test_preset_with_a_field_that_does_not_exist_is_a_programming_error():
    with pytest.raises(TypeError, match="stpes"):
        parse(presets={"demo": {"stpes": 3}})


def test_help_names_unit_default_and_presets():
    fields = {field.name: field for field in dataclasses.fields(Config)}
    assert configs.help_text(fields["steps"], PRESETS).endswith("[steps] (default 400; tiny 20)")
    assert "(default 400; a 1; b 2)" in configs.help_text(
        fields["steps"], {"a": {"steps": 1}, "b": {"steps": 2}}
    )
    assert configs.help_text(fields["note"], {}).endswith('(default "")')
    assert configs.help_text(fields["echo_time"], {}) == "Echo time [s] (default unset)"
    assert configs.help_text(fields["resume"], {}).endswith("(default true)")
    assert "(default 4)" in configs.help_text(fields["width"], {"demo": {"width": 4}})


def test_every_field_has_help_and_numbers_have_limits():
    hints = typing.get_type_hints(RunConfig)
    for field in dataclasses.fields(RunConfig):
        assert field.metadata["help"] and not field.metadata["help"].endswith(".")
        assert (field.metadata["minimum"] is None) == (hints[field.name] in (str, bool))


# flag files and JSON


def test_flag_file_gives_the_config_back_whatever_the_presets_become(tmp_path):
    config = Config(
        preset="tiny", steps=3, learning_rate=0.1 + 0.2, note="a  b # c", seed=2**63 - 1,
        xla_deterministic=True, seed_order=4, xla_cpu_isa="AVX", workdir="/elsewhere",
    )  # fmt: skip
    path = tmp_path / "flags.txt"
    path.write_text(configs.to_flags(config))
    changed = {name: {"steps": 999, "width": 99, "note": "x"} for name in PRESETS}
    read = parse(f"--flagfile={path}", presets=changed)
    assert configs.digest(read) == configs.digest(config)
    assert dataclasses.replace(read, preset="tiny", workdir="/elsewhere") == config
    assert parse(f"--flagfile={path}", "--steps=4").steps == 4


def test_flag_file_spells_out_every_digest_field_and_no_other():
    lines = configs.to_flags(Config(seed_init=1)).splitlines()
    names = [line[2:].split("=")[0] for line in lines if not line.startswith("#")]
    unset = {"echo_time", *(f"seed_{name}" for name in configs.STREAMS)} - {"seed_init"}
    assert set(names) == set(configs.digest_fields(Config)) - unset - {"resample", "processes"}
    assert {"workdir", "resume", "allow_mixed", "preset"}.isdisjoint(names)


def test_accepted_checks_are_repeated_and_change_no_digest():
    """A run passes because of them, and would have given the same without."""
    config = Config(accept="field,times")
    assert "--accept=field,times" in configs.to_flags(config).splitlines()
    assert configs.digest(config) == configs.digest(Config())
    config.check()
    refused("--accept=field,taste names 'taste', which is no check", accept="field,taste")


@pytest.mark.parametrize("task", ["qsm", "varnet"])
def test_a_network_that_only_infers_is_given_all_of_a_folder(task):
    cls = importlib.import_module(f"mrjax.tasks.{task}.config").Config

    def infer(*argv):
        return parse(*argv, presets={"demo": {"n_test": 3}}, cls=cls)

    name = "nifti" if task == "qsm" else "bart"
    files = (f"--dataset={name}", "--data_dir=d", "--from_run=r")
    assert infer("--steps=0", *files).n_test == 0
    infer("--steps=0", *files).check()
    assert infer("--steps=0", *files, "--n_test=2").n_test == 2
    assert infer("--steps=5", *files).n_test == 3
    assert infer("--steps=0", "--from_run=r").n_test == 3
    for argv in (("--n_test=0",), (*files, "--n_test=0", "--steps=5")):
        with pytest.raises(UserError, match="--n_test=0 holds out all there are"):
            infer(*argv).check()


def test_json_round_trip():
    config = Config(steps=5, learning_rate=0.1, seed_data=3)
    text = json.dumps(configs.to_json(config))
    assert configs.from_json(Config, json.loads(text)) == config


def test_json_of_a_run_from_before_a_late_field_has_its_default():
    late = configs.late_defaults(Config)
    assert late["resample"] is False and late.keys() < configs.to_json(Config()).keys()
    values = {k: v for k, v in configs.to_json(Config()).items() if k not in late}
    assert configs.from_json(Config, values) == Config()


@pytest.mark.parametrize("change", [{"steps": None}, {"bogus": 1}])
def test_json_of_another_version_is_refused(change):
    values = configs.to_json(Config()) | change
    values = {key: value for key, value in values.items() if value is not None or key != "steps"}
    with pytest.raises(UserError, match=f"differs in: {next(iter(change))}"):
        configs.from_json(Config, values)


# digest


def test_digest_is_sha256_of_canonical_json():
    config = RunConfig(steps=12, learning_rate=1)
    values = {k: v for k, v in configs.to_json(config).items()}
    for name in ("preset", "workdir", "keep_checkpoints", "resume", "allow_mixed", "accept"):
        del values[name]
    for name in ("coordinator", "process_id"):
        del values[name]
    assert values.pop("processes") == 1
    assert values.pop("resample") is False
    text = json.dumps(values, sort_keys=True).replace(", ", ",").replace(": ", ":")
    assert '"learning_rate":1.0' in text
    assert configs.digest(config) == hashlib.sha256(text.encode()).hexdigest()


def test_a_field_that_came_late_counts_only_where_it_is_set():
    """Digests, and with them the folders of runs, stay as they were before there was the field."""
    assert "resample" not in configs.to_flags(Config())
    assert configs.digest(Config(resample=True)) != configs.digest(Config())
    assert "--resample=true" in configs.to_flags(Config(resample=True)).splitlines()
    assert parse("--resample=true").resample and not parse("--resample=false").resample


def other_value(config, field):
    value = getattr(config, field.name)
    if field.metadata["choices"]:
        return next(choice for choice in field.metadata["choices"] if choice != value)
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else (value or 0) + 1


def test_every_digest_field_changes_the_digest_and_no_other_does():
    config = Config()
    for field in dataclasses.fields(Config):
        changed = dataclasses.replace(config, **{field.name: other_value(config, field)})
        differs = configs.digest(changed) != configs.digest(config)
        assert differs == field.metadata["digest"], field.name


def test_int_and_float_of_one_value_have_one_digest():
    assert configs.digest(Config(learning_rate=1)) == configs.digest(Config(learning_rate=1.0))
    assert configs.digest(parse("--preset=paper")) == configs.digest(parse("--learning_rate=1e0"))


@pytest.mark.parametrize("fields", [{"steps": True}, {"steps": 2.0}, {"seed": None}, {"dtype": 4}])
def test_value_of_another_type_is_a_programming_error(fields):
    with pytest.raises(ValueError, match="is not of type"):
        Config(**fields)


# seeds and folder


def test_seed_of_a_stream_is_its_own_or_the_common_one():
    config = Config(seed=7, seed_order=0)
    assert [config.seed_for(name) for name in configs.STREAMS] == [7, 0, 7, 7, 7, 7, 7]
    with pytest.raises(ValueError, match="no stream 'dropout'"):
        config.seed_for("dropout")


def test_every_stream_has_its_flag():
    names = {field.name for field in dataclasses.fields(RunConfig)}
    assert {name for name in names if name.startswith("seed_")} == {
        f"seed_{stream}" for stream in configs.STREAMS
    }


def test_folder_is_workdir_or_named_by_the_digest():
    assert str(Config(workdir="/a/b").folder("qsm")) == "/a/b"
    config = Config(seed=1)
    assert str(config.folder("qsm")) == f"runs/qsm/{configs.digest(config)[:16]}"


# refusals


def test_good_configs_pass(tmp_path):
    (tmp_path / "choices.txt").write_text("version: 3")
    Config().check()
    Config(xla_deterministic=True, xla_autotune="off", batch_size=4, devices=2).check()
    Config(xla_autotune="frozen", xla_autotune_file=str(tmp_path / "choices.txt")).check()
    Config(xla_autotune="on", xla_autotune_file=str(tmp_path / "new.txt")).check()
    Config(dataset="tfds", data_dir="/data", learning_rate=0, seed=2**63 - 1).check()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"dtype": "float8"}, "--dtype='float8' .* one of float32, bfloat16"),
        ({"steps": 0}, "--steps=0 .* at least 1"),
        ({"seed_init": -1}, "--seed_init=-1 .* at least 0"),
        ({"seed": 2**63}, "--seed=.* at most 9223372036854775807"),
        ({"learning_rate": float("nan")}, "--learning_rate=nan .* a finite number"),
        ({"echo_time": float("inf")}, "--echo_time=inf .* a finite number"),
        ({"note": "two\nlines"}, "--note=.* printable"),
        ({"data_dir": " x"}, "--data_dir=.* blanks"),
        (
            {"numerics": "reproducible", "dtype": "bfloat16"},
            "--dtype=bfloat16 with --numerics=reproducible; expected float32",
        ),
        ({"dataset": "tfds"}, "--dataset=tfds without --data_dir"),
        ({"data_dir": "/data"}, "--data_dir=/data without a --dataset that reads it"),
        ({"devices": 3}, "--batch_size=2 does not divide among --devices=3"),
        ({"xla_autotune": "frozen"}, "frozen finds no file ''"),
        ({"xla_autotune": "frozen", "xla_autotune_file": "/no/file"}, "finds no file '/no/file'"),
        ({"xla_autotune": "off", "xla_autotune_file": "x"}, "is not used under --xla_autotune=off"),
        ({"xla_autotune": "on", "xla_autotune_file": "/no/file"}, "cannot be written"),
        ({"xla_autotune": "on", "xla_deterministic": True}, "on contradicts --xla_deterministic"),
        ({"xla_autotune": "frozen", "xla_deterministic": True}, "untested whether"),
    ],
)
def test_refusals(fields, match):
    refused(match, **fields)


def test_choices_that_are_empty(tmp_path):
    (tmp_path / "choices.txt").touch()
    file = str(tmp_path / "choices.txt")
    refused(f"--xla_autotune_file={file} is empty", xla_autotune="frozen", xla_autotune_file=file)


def test_a_subclass_adds_rules():
    with pytest.raises(UserError, match="width 13"):
        Config(width=13).check()
    refused("--width=0 .* at least 1", width=0)
