"""Errors of XLA, cuDNN and PyTorch that are a user's mistake become one line.

The texts come from jaxlib 0.10.2, 0.11.2 and 0.12.0.1 and of PyTorch 2.11 and 2.13.
"""

import types

import jax
import jax.numpy as jnp
import pytest

from mrjax import backend, command
from mrjax.command import experiments
from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError

FROZEN = {"xla_autotune": "frozen", "xla_autotune_file": "choices.txt"}
MISSING = (
    "NOT_FOUND: Failed to get configs for: 4 out of 4 instructions. See logs for all failures. "
    "Example failure: \nNo cached config found for HLO instr: %cudnn-conv-bw-filter.1 = (f32[8,4,"
    "3,3,3]{4,3,2,1,0}, u8[0]{0}) custom-call(%a), window={size=3x3x3}, metadata={op_name=x}"
)
STORED = r"--xla_autotune_file=choices.txt {}; expected .*; store them anew with --xla_autotune=on$"
SMALLER = r"too little memory \(.*{}.*\); expected .*; lower --batch_size or --width"
KNOWN = [
    ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.\nBFC", {}, RunFailed,
     SMALLER.format("9 bytes")),
    ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has", {}, RunFailed,
     SMALLER.format("2.00 GiB")),
    ("CUDA error: out of memory\nCompile with", {}, RunFailed, SMALLER.format("CUDA error")),
    ("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8", {}, RunFailed,
     SMALLER.format("Default")),
    (MISSING, FROZEN, UserError, STORED.format(r"lacks the choice .*\(No cached .*filter\.1.*\)")),
    ("INVALID_ARGUMENT: Failed to parse autotune results string.", FROZEN, UserError,
     STORED.format(r"cannot be read \(INVALID_ARGUMENT.*\)")),
    ("INVALID_ARGUMENT: Version mismatch in autotune results. Expected 3 but was 0", FROZEN,
     UserError, STORED.format(r"cannot be read \(.*Expected 3 but was 0\)")),
    ("FAILED_PRECONDITION: Autotune results file does not exist: /x", FROZEN, UserError,
     STORED.format(r"cannot be read \(.*\)")),
    ("INTERNAL: No supported config found for HLO: %gemm", {"xla_deterministic": True}, UserError,
     r"no kernel for an operation \(.*%gemm\); .*--xla_deterministic or .*; drop that flag"),
    ("INTERNAL: No valid engine configs for Tensor", {"xla_autotune": "off"}, UserError,
     "no kernel for an operation"),
    ("UNIMPLEMENTED: cuDNN reports no supported engine for the graph (1, 2)",
     {"xla_deterministic": True}, UserError, "no kernel for an operation .*cuDNN reports"),
    ("INTERNAL: [cudnn_frontend] Error: No execution plans support the graph.",
     {"xla_deterministic": True}, UserError, "no kernel for an operation .*No execution plans"),
]  # fmt: skip
SWITCHED = [
    ("max_pool3d_backward does not have a deterministic implementation, but you set 'torch",
     "deterministic_algorithms", "no deterministic form .*max_pool3d.*; drop it, or use"),
    ("GET was unable to find an engine to execute this computation",
     "cudnn_deterministic", "cuDNN has no algorithm for a convolution .*; drop these"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fields", "kind", "line"), KNOWN)
def test_what_xla_says(text, fields, kind, line):
    for error in (RuntimeError(text), jax.errors.JaxRuntimeError(text)):
        with pytest.raises(kind, match=line) as caught, backend.told(RunConfig(**fields)):
            raise error
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 420
        assert caught.value.__cause__ is error


@pytest.mark.parametrize(("text", "switch", "line"), SWITCHED)
def test_what_torch_says(text, switch, line):
    config = RunConfig()
    object.__setattr__(config, switch, True)
    with pytest.raises(UserError, match=line), backend.told(config):
        raise RuntimeError(text)
    with pytest.raises(RuntimeError), backend.told(RunConfig()):
        raise RuntimeError(text)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("INTERNAL: something else"),
        RuntimeError(MISSING),  # nothing is frozen
        RuntimeError("INTERNAL: No supported config found for HLO: %gemm"),
        ValueError("out of memory"),  # neither XLA's nor PyTorch's
        UserError("a; expected b; do c"),
        RunFailed("out of memory"),
    ],
)
def test_what_is_not_known_stays(error):
    with pytest.raises(type(error)) as caught, backend.told(RunConfig()):
        raise error
    assert caught.value is error and error.__cause__ is None


def test_the_real_words_of_a_full_memory():
    with pytest.raises(RunFailed, match=SMALLER.format("bytes")), backend.told(RunConfig()):
        jax.jit(lambda: jnp.zeros(1 << 50, jnp.float32) + 1)().block_until_ready()


@pytest.mark.parametrize("where", ["start", "run"])
def test_a_command_ends_by_them(monkeypatch, capsys, where):
    """The device fails at its start, for instance by a damaged file of choices, or in the run."""

    def fails(*arguments):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")

    fine = types.SimpleNamespace(notes=("n",))
    steps = {"a:start": lambda config: fine, "a:run": lambda *arguments: 0, f"a:{where}": fails}
    monkeypatch.setattr(experiments, "_named", steps.__getitem__)
    act = lambda: experiments.act(RunConfig, {"demo": {}}, "a:run", [], "a:start")  # noqa: E731
    assert command.exit_code(act) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: the device has too little memory (RESOURCE_EXHAUSTED: Out of")
