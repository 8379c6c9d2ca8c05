"""The card of a package: ``README.md``, with the head that the Hugging Face Hub reads.

It says what the records of the run say, and nothing else: what is not recorded is called so.
"""

import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mrjax.config.fields import STREAMS
from mrjax.errors import UserError
from mrjax.runs.metrics import METRICS
from mrjax.sharing.package import words
from mrjax.tasks import registry

_LICENCE = re.compile("[a-z0-9][a-z0-9.+-]{0,63}")
_CLASSICAL = {"tkd": "TKD", "l2": "L2", "zero_filled": "zero filling", "cg_sense": "CG-SENSE",
              "threshold": "threshold"}  # fmt: skip
_USED = ("steps", "batch_size", "learning_rate", "dtype", "numerics")
_VERSIONS = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "torch")
_WARNING = (
    "This network is for research. It is not a medical device, and nothing here shows that it is "
    "fit for diagnosis or treatment."
)


def render(
    config: Mapping[str, Any], environment: Mapping[str, Any], flags: str, licence: str
) -> str:
    """Return the card.

    Args:
        config: content of ``config.json`` of the package.
        environment: content of its ``environment.json``.
        flags: text of its ``flags.txt``.
        licence: of the weights, as the Hugging Face Hub names it.

    Raises:
        UserError: the licence is no name.
    """
    sections = {
        "What is in this folder": _table(("file", "content"), words.FILES.items()),
        "Use": _use(config),
        "Training": _training(config),
        "Scale of the input": _scale(config),
        "Domain": _domain(config),
        "Results": _results(config),
        "Reproducibility": _reproducibility(config),
        "Software and hardware": _environment(environment),
        "All settings": _fenced(flags.splitlines()),
    }
    lines = [*_head(config, licence), "", *_title(config), ""]
    for title, content in sections.items():
        lines += [f"## {title}", "", *content, ""]
    return "\n".join(lines)


def check_licence(licence: str) -> None:
    """Refuse what is no name of a licence, before anything is computed.

    Raises:
        UserError: for such a text.
    """
    if not _LICENCE.fullmatch(licence):
        raise UserError(
            f"--license={licence[:80]!a} is no name of a licence; expected one of the Hugging Face "
            "Hub, such as apache-2.0, mit or cc-by-4.0; correct it"
        )


def _head(config: Mapping[str, Any], licence: str) -> list[str]:
    """The head in YAML, in which every text is quoted."""
    check_licence(licence)
    tags = ["mri", "reproducibility", config["framework"], config["task"]]
    lists = {
        "tags": [*tags, *words.TAGS[config["task"]]],
        "metrics": list(config["result"]["metrics"]),
    }
    lines = ["---", "library_name: mrjax", f"license: {json.dumps(licence)}"]
    for name, values in lists.items():
        if values:
            lines += [f"{name}:", *(f"- {json.dumps(value)}" for value in values)]
    return [*lines, "---"]


def _title(config: Mapping[str, Any]) -> list[str]:
    title = registry.TASKS[config["task"]].title
    origin = config["result"].get("origin")
    made = f"It was imported from `{origin}`." if origin else "It was trained with mrjax."
    return [
        f"# Trained network: {title}",
        "",
        f"The output of this network is {registry.TASKS[config['task']].output}. {made}",
        "",
        _WARNING,
    ]


def _use(config: Mapping[str, Any]) -> list[str]:
    exact = config["test"]["exact"]
    same = "bit for bit on every machine" if exact else "up to rounding on other machines"
    program = _program(config)
    return [
        "With mrjax installed, and in place of `DIR` the path of this folder:",
        "",
        *_fenced(
            [
                "python -m experiments.network verify DIR --digest=DIGEST",
                "python -m experiments.network predict DIR --input=FILE --output=FILE",
                f"python -m {program} --flagfile=DIR/flags.txt --steps=0 --from_run=DIR "
                "--workdir=NEW",
            ]
        ),
        "",
        "The first command compares every file with `manifest.json`. The sha256 of that file is "
        "the `DIGEST`, one number for the whole folder; take it from where you trust it, such as a "
        "paper, and not from this folder. The third command applies the network to the test "
        "subjects of a data set; with `--dataset` and `--data_dir` they are your own.",
        "",
        f"`test/` holds a synthetic subject that was made from keys, and what the network made of "
        f"it on a CPU. Your installation should give the same output, {same}. The test input "
        "comes from no person.",
    ]


def _program(config: Mapping[str, Any]) -> str:
    in_pytorch = config["settings"].get("task") in registry.TASKS
    return f"experiments.{registry.PYTORCH if in_pytorch else config['task']}"


def _training(config: Mapping[str, Any]) -> list[str]:
    settings, result = config["settings"], config["result"]
    if "origin" in result:
        return ["Another program trained this network. Its data and settings are not recorded."]
    synthetic = settings.get("dataset") == "synthetic"
    command = f"python -m {_program(config)} --flagfile=flags.txt"
    needs = [] if synthetic else ["--data_dir=FOLDER"]
    needs += ["--from_run=NETWORK"] if config["fine_tuned"] else []
    rows = [(f"`{name}`", str(settings[name])) for name in _USED if name in settings]
    return [
        _data(config, synthetic),
        "",
        *_table(("setting", "value"), [*rows, *_seeds(settings)]),
        "",
        "The training is repeated by",
        "",
        *_fenced([" ".join([command, *needs])]),
        *_needed(config, synthetic),
    ]


def _data(config: Mapping[str, Any], synthetic: bool) -> str:
    data = config["result"].get("data")
    counts = ""
    if data:
        counts = f" {data['training']} of them trained the network, {data['held_out']} judged it."
    if synthetic:
        return f"All subjects were synthetic, made from keys by mrjax.{counts}"
    return (
        f"The subjects were read from files (`--dataset={config['settings'].get('dataset')}`), "
        f"which are no part of this package.{counts} Their names are left out: in `config.json`, "
        "`subject_001` is the first that judged the network."
    )


def _needed(config: Mapping[str, Any], synthetic: bool) -> list[str]:
    lines = []
    if not synthetic:
        lines += ["", "`FOLDER` is the folder of the same data."]
    if config["fine_tuned"]:
        init = config["result"]["digests"]["init"]
        lines += [
            "",
            f"The training began with another trained network, `NETWORK`, whose parameters have "
            f"the digest `{init}`; it is no part of this package.",
        ]
    return lines


def _seeds(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The seed of every stream: its own, or else the common one."""
    common = settings.get("seed")
    yield "`seed`", str(common)
    for stream in STREAMS:
        own = settings.get(f"seed_{stream}")
        yield f"`seed_{stream}`", f"{common} (from `seed`)" if own is None else str(own)


def _scale(config: Mapping[str, Any]) -> list[str]:
    rows = [
        (f"`{group}.{name}`", *_described(words.CONSTANTS, f"{group}.{name}", value))
        for group, values in config["constants"].items()
        if group not in ("inputs", "domain")
        for name, value in values.items()
    ]
    table = _table(("constant", "meaning", "value"), rows)
    return [words.NORMALISED[config["task"]], "", *table]


def _domain(config: Mapping[str, Any]) -> list[str]:
    domain = config["constants"].get("domain")
    if not domain:
        return ["The properties of the training subjects are not recorded."]
    rows = [(f"`{name}`", *_described(words.DOMAIN, name, value)) for name, value in domain.items()]
    return [
        "The network is right for data like those of its training, which had these properties; "
        "two numbers are the least and the greatest.",
        "",
        *_table(("property", "meaning", "value"), rows),
    ]


def _described(known: Mapping[str, tuple[str, str]], name: str, value: Any) -> tuple[str, str]:
    meaning, unit = known.get(name, ("", ""))
    text = "not recorded" if value is None else _numbers(value)
    return meaning, f"{text} {unit}" if unit and value is not None else text


def _numbers(value: Any) -> str:
    """A number, or numbers, as JSON has them."""
    return json.dumps(value)


def _results(config: Mapping[str, Any]) -> list[str]:
    result = config["result"]
    if not result["metrics"]:
        return ["No metric was computed."]
    methods = {"network": result["metrics"], **result["baselines"]}
    rows = [
        (METRICS[name].words, *(_mean(table.get(name)) for table in methods.values()))
        for name in result["metrics"]
    ]
    names = ["network", *(_CLASSICAL.get(name, name) for name in result["baselines"])]
    count = len(result["subjects"])
    return [
        f"Means over {count} held-out subject{'s' if count != 1 else ''}; `config.json` has the "
        "values of each.",
        "",
        *_table(("metric", *names), rows),
    ]


def _mean(values: Sequence[float | None] | None) -> str:
    known = [value for value in values or () if value is not None]
    return f"{statistics.fmean(known):.4g}" if known else "-"


def _reproducibility(config: Mapping[str, Any]) -> list[str]:
    level = config["level"]
    digests = {"settings": config["digest"], **config["result"]["digests"]}
    return [
        f"Level of the training: `{level}`, which means that {words.LEVELS[level]}.",
        "",
        *_table(("digest", "sha256"), [(f"`{n}`", f"`{v}`") for n, v in digests.items()]),
    ]


def _environment(environment: Mapping[str, Any]) -> list[str]:
    backend = environment.get("backend", {})
    versions = {k: v for k, v in backend.get("versions", {}).items() if k in _VERSIONS and v}
    packages = environment.get("packages")
    everything = (
        f"`environment.json` lists all {len(packages)} installed packages."
        if packages
        else "The full list of installed packages is not recorded."
    )
    rows = {
        "Python": environment.get("python"),
        "operating system": environment.get("system", {}).get("os"),
        "processor": environment.get("cpu", {}).get("model"),
        "device": backend.get("device_kind"),
        "code of mrjax (sha256)": environment.get("code", {}).get("sources"),
        **versions,
    }
    known = [(name, str(value) if value else "not recorded") for name, value in rows.items()]
    return [*_table(("what", "value"), known), "", everything]


def _table(head: Sequence[str], rows: Any) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(_cell(one) for one in line)} |" for line in lines]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _fenced(lines: Sequence[str]) -> list[str]:
    return ["```", *lines, "```"]
