"""The text of XLA_FLAGS: it is read, extended, and tried before it can end the process."""

import re
import subprocess
import sys
from collections.abc import Mapping

from mrjax.backend.levels import OWNED
from mrjax.errors import UserError

_TOKEN = re.compile(r"""--([^\s=]+)(?:=("[^"]*"|'[^']*'|\S*))?(?!\S)""")
_PROBE = "from jaxlib import xla_client; xla_client.make_cpu_client()"


def parse(text: str) -> dict[str, str]:
    """Return the flags of the text, {name: value}, as XLA reads them.

    A flag without a value is true; of several settings of one flag the last one holds.

    Raises:
        UserError: the text does not start with ``--``, so that XLA takes it as a file's name.
    """
    if text.strip() and not text.strip().startswith("--"):
        raise UserError(
            f"XLA_FLAGS={text.strip()!r} names a file; expected flags that start with --; use "
            'XLA_FLAGS="$(cat FILE)"'
        )
    return {found[1]: _value(found[2]) for found in _TOKEN.finditer(text)}


def _value(text: str | None) -> str:
    """Return the text after the equals sign without quotes; "true" where there is none."""
    if text is None:
        return "true"
    return text[1:-1] if text[:1] in ("'", '"') else text


def same(one: str, other: str) -> bool:
    """Whether two values mean the same: 1 and true switch on, in upper or lower case."""
    return one == other or _switch(one) == _switch(other) != ""


def _switch(value: str) -> str:
    """Return a switch's value as "true" or "false"; "" for a value of another kind."""
    return {"1": "true", "true": "true", "0": "false", "false": "false"}.get(value.lower(), "")


def merge(text: str, wanted: Mapping[str, str]) -> str:
    """Append the flags of a run to the user's XLA_FLAGS, which stay as they are.

    The user must not give another value to a flag of XLA that a run sets through a flag of its own:
    the level and the arm in the run's record would be wrong.

    Args:
        text: XLA_FLAGS of the environment.
        wanted: flags of the config, from `mrjax.backend.levels.xla_flags`.

    Returns:
        The new XLA_FLAGS, "" for none.

    Raises:
        UserError: the two contradict each other.
    """
    given = parse(text)
    for name, (default, ours) in OWNED.items():
        value = wanted.get(name, default)
        if not same(given.get(name, value), value):
            raise UserError(
                f"XLA_FLAGS sets --{name}={given[name]}, which contradicts this run's {value!r}; "
                f"expected it to be set by {ours} only; remove it from XLA_FLAGS"
            )
    return appended(text, wanted)


def appended(text: str, wanted: Mapping[str, str]) -> str:
    """Append flags, {name: value}, to a text that does not have them; "" for none."""
    given = parse(text)
    added = [_written(name, value) for name, value in wanted.items() if name not in given]
    return " ".join([text.strip(), *added]).strip()


def _written(name: str, value: str) -> str:
    """Write a flag for XLA_FLAGS, with quotes where the value has blanks."""
    return f'--{name}="{value}"' if re.search(r"\s", value) else f"--{name}={value}"


def probe(text: str, environ: Mapping[str, str]) -> None:
    """Let a short process parse XLA_FLAGS, because XLA ends a process over an unknown flag.

    This takes about 0.4 s: jaxlib makes its CPU client, and JAX is not imported. Every build of
    jaxlib knows the flags of every platform.

    Args:
        text: XLA_FLAGS to try.
        environ: environment of the process.

    Raises:
        UserError: jaxlib does not know a flag, or cannot read a value; the error names it. Nothing
            is concluded if the process fails for another reason, which XLA will report itself.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env={**environ, "XLA_FLAGS": text},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        _explain(done.stderr)


def _explain(stderr: str) -> None:
    """Turn XLA's error into one line."""
    unknown = re.search(r"Unknown flags? in XLA_FLAGS: (.*)", stderr)
    if unknown:
        raise UserError(
            f"this jaxlib does not know {unknown[1].strip()} in XLA_FLAGS; expected flags of its "
            "version; correct or remove them"
        )
    value = re.search(r"Couldn't interpret value (.*) for flag (\w+)", stderr)
    if value:
        raise UserError(
            f"XLA_FLAGS sets --{value[2]}={value[1]}; expected a value XLA can read (true or false "
            "for a switch); correct it"
        )
