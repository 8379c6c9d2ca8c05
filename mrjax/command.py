"""The command line of an experiment: flags in, an exit code out.

Exit codes: 0 done, 1 the run failed, 2 the user's mistake, 130 interrupted. A mistake is one line
on stderr, found before training starts. JAX is imported after the process has restarted in the
environment the flags ask for.
"""

import dataclasses
import difflib
import errno
import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from absl import flags

from mrjax import backend, sweep
from mrjax import config as configs
from mrjax.config.fields import kinds
from mrjax.errors import RunFailed, UserError

Presets = Mapping[str, Mapping[str, Any]]
_PLACEHOLDERS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
_EXPECTED = {int: "an integer", float: "a number", bool: "true or false", str: "text"}
_HELP_WIDTH = 100


_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
"""What can go wrong with a disk while nobody is to blame."""


def main(
    config_class: type[configs.RunConfig], presets: Presets, run: str, start: str = ""
) -> NoReturn:
    """Run the experiment the command line describes, and exit.

    Args:
        config_class: what can be asked for; one flag a field.
        presets: {preset: {field: value}}.
        run: ``"package.module:function"``, imported only once the environment is in place, called
            as ``function(config, backend, flags_text)`` with the flags as text for
            ``--flagfile``; it returns the exit code. ``backend`` is None for a config whose
            `needs_device` is False.
        start: ``"package.module:function"`` that brings another framework up than JAX, called as
            ``function(config)``; it returns the ``backend``, which has `notes`.
    """
    sys.exit(exit_code(lambda: _main(config_class, presets, run, sys.argv[1:], start)))


def main_of(
    flag: str,
    known: Mapping[str, tuple[type[configs.RunConfig], Presets]],
    common: type[configs.RunConfig],
    run: str,
    start: str = "",
) -> NoReturn:
    """Like `main`, for a program in which the value of a flag says what can be asked for.

    Args:
        flag: its name; it may stand in a flag file.
        known: its values, each with what can be asked for and presets.
        common: what can be asked for under all of them, for ``--help`` alone.
        run: as in `main`.
        start: as in `main`.
    """

    def action() -> int:
        config_class, presets = _chosen(flag, known, common, sys.argv[1:])
        return _main(config_class, presets, run, sys.argv[1:], start)

    sys.exit(exit_code(action))


def exit_code(action: Callable[[], int]) -> int:
    """Run a program: its exit code, or that of the error it ends with, said in one line."""
    try:
        return action()
    except UserError as error:
        return _complain(error, 2)
    except RunFailed as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except OSError as error:
        if error.errno not in _DISK:
            raise  # a defect, which needs its traceback
        return _complain(
            f"{error.filename or 'a file'} could not be written ({error.strerror}); what was "
            "finished is safe; make room and repeat the command",
            1,
        )


def _complain(message: object, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {' '.join(str(message).split())}\n")
    return code


def _main(
    config_class: type, presets: Presets, run: str, argv: Sequence[str], start: str = ""
) -> int:
    """Flags, then environment, then JAX or another framework, then the run."""
    values = parse(config_class, presets, argv)
    if values["help"].value:
        sys.stdout.write(help_page(config_class, presets))
        return 0
    if values["sweep"].value:
        return _sweep(config_class, presets, values)
    config = configs.from_flags(config_class, presets, values)
    config.check()
    with backend.told(config):
        started = _started(config, start) if config.needs_device else None
        return _named(run)(config, started, configs.to_flags(config))


def _named(name: str) -> Callable[..., Any]:
    """What ``"package.module:function"`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _started(config: configs.RunConfig, start: str) -> Any:
    """Start a framework, JAX in the environment the flags ask for, and tell what it notes."""
    if not start:
        backend.reexec(config)
    found = _named(start)(config) if start else backend.start(config)
    for note in found.notes:
        sys.stderr.write(f"note: {note}\n")
    return found


def _chosen(
    flag: str,
    known: Mapping[str, tuple[type, Presets]],
    common: type,
    argv: Sequence[str],
) -> tuple[type, Presets]:
    """Config and presets that the flag asks for; the common ones for help without it."""
    values = flags.FlagValues()
    flags.DEFINE_string(flag, None, "", flag_values=values)
    flags.DEFINE_boolean("help", False, "", short_name="h", flag_values=values)
    try:
        values(["program", *argv], known_only=True)
    except flags.Error:
        return common, {}  # whose parser says what is wrong
    value: str | None = values[flag].value
    if value is None and values["help"].value:
        return common, {}
    if value is None or value not in known:
        found = f"--{flag} is not given" if value is None else f"--{flag}={value} is not allowed"
        example = f"--{flag}={next(iter(known))}"
        raise UserError(
            f"{found}; expected one of {', '.join(known)}; add {example}, for example; see --help"
        )
    return known[value]


# flags


def parse(config_class: type, presets: Presets, argv: Sequence[str]) -> flags.FlagValues:
    """Parsed flags: those of the config, ``--help`` and ``--sweep``; ``--flagfile`` is read.

    Args:
        config_class: what can be asked for.
        presets: for the help only.
        argv: arguments, without the program.

    Raises:
        UserError: for anything that is not a flag with a value it can take.
    """
    values = flags.FlagValues()
    configs.define_flags(config_class, values, presets)
    flags.DEFINE_boolean("help", False, "Show this page", short_name="h", flag_values=values)
    flags.DEFINE_multi_string("sweep", [], "Values to run through", flag_values=values)
    rest = parsed(values, argv, lambda text: _illegal(config_class, text))
    if rest:
        raise UserError(f"{rest[0]!r} is not a flag; expected --flag=value; see --help")
    return values


def parsed(
    values: flags.FlagValues, argv: Sequence[str], illegal: Callable[[str], str] | None = None
) -> list[str]:
    """Parse arguments into `values`, for any program.

    Args:
        values: the flags there are.
        argv: arguments, without the program.
        illegal: absl's text on a value that a flag cannot take -> what to say instead.

    Returns:
        What is no flag.

    Raises:
        UserError: for anything that is not a flag with a value it can take.
    """
    try:
        return values(["program", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UserError(_unknown(error.flagname, list(values))) from error
    except flags.IllegalFlagValueError as error:
        text = str(error)
        raise UserError(
            illegal(text) if illegal else f"{text}; expected another value; see --help"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"--flagfile is no text ({error.reason}: not text in UTF-8); expected one flag a line; "
            "name another file"
        ) from error
    except flags.Error as error:
        text = str(error).removeprefix("ERROR:: ")
        raise UserError(f"{text}; expected --flag=value; see --help") from error


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean --{close[0]}?" if close else "see --help"
    return f"unknown flag --{name}; expected a flag of this experiment; {advice}"


def _illegal(config_class: type, text: str) -> str:
    """Absl's text names flag and value; what was expected, our fields say better."""
    found = re.match(r"flag --([^=\s]+)=(.*?): ", text, re.DOTALL)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    if not found or found[1] not in fields:
        return f"{text}; expected another value; see --help"
    expected = _EXPECTED[kinds(config_class)[found[1]][0]]
    if choices := fields[found[1]].metadata["choices"]:
        expected = "one of " + ", ".join(choice or '""' for choice in choices)
    return f"--{found[1]}={found[2]} is not allowed; expected {expected}; see --help"


# sweep


def _sweep(config_class: type, presets: Presets, values: flags.FlagValues) -> int:
    """Check every combination, then run them all."""
    combinations = sweep.expand(values["sweep"].value or [])
    given = configs.explicit(config_class, values)
    workdir = given.pop("workdir", "")
    _check_swept(config_class, list(combinations[0]), workdir)
    common = [configs.to_argument(name, value) for name, value in given.items()]
    for combination in combinations:
        argv = [*common, *sweep.arguments(combination, workdir)]
        try:
            parsed = parse(config_class, presets, argv)
            configs.from_flags(config_class, presets, parsed).check()
        except UserError as error:
            raise UserError(f"--sweep, run {sweep.label(combination)}: {error}") from error
    return sweep.run(program(), common, combinations, workdir)


def _check_swept(config_class: type, names: Sequence[str], workdir: str) -> None:
    """Refuse to sweep over what is no field, or over the run folder against itself."""
    fields = [field.name for field in dataclasses.fields(config_class)]
    for name in names:
        if name not in fields:
            raise UserError(f"--sweep={name}: {_unknown(name, fields)}")
    if workdir and "workdir" in names:
        raise UserError(
            f"--sweep=workdir contradicts --workdir={workdir}; expected one of them; drop the other"
        )


def program() -> list[str]:
    """The command this process was started by, without its flags: ``python -m experiments.qsm``."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]


# help


def help_page(config_class: type, presets: Presets) -> str:
    """What ``--help`` shows: the experiment's docstring, and each flag with default and unit."""
    module = sys.modules["__main__"]
    name = module.__spec__.name if module.__spec__ else sys.argv[0]
    parts = [f"usage: python -m {name} [--flag=value ...]", (module.__doc__ or "").strip()]
    entries = [_entry(config_class, field, presets) for field in dataclasses.fields(config_class)]
    return (
        "\n\n".join(part for part in [*parts, "flags:\n" + "\n".join(entries + _OWN)] if part)
        + "\n"
    )


def _entry(config_class: type, field: dataclasses.Field, presets: Presets) -> str:
    """Help of one flag."""
    kind, _ = kinds(config_class)[field.name]
    if kind is bool:
        return _block(f"--[no]{field.name}", configs.help_text(field, presets))
    values = "|".join(c or '""' for c in field.metadata["choices"]) or _PLACEHOLDERS[kind]
    return _block(f"--{field.name}={values}", configs.help_text(field, presets))


def _block(flag: str, text: str) -> str:
    indent = " " * 6
    wrapped = textwrap.fill(
        text, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return f"  {flag}\n{wrapped}"


_OWN = [
    _block(
        "--sweep=NAME=VALUE,VALUE,...",
        "Run through values of a flag, one process a run; a:b stands for a range; repeat for a "
        "Cartesian product: --sweep=seed_init=0:5 --sweep=xla_deterministic=true,false",
    ),
    _block("--flagfile=FILE", "Read flags from a file, one a line, such as flags.txt of a run"),
    _block("--help", "Show this page"),
]
