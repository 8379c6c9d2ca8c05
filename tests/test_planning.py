"""The environment that is planned for a run, from flags and the user's variables."""

import pytest

from mrjax import backend
from mrjax.backend import planning
from mrjax.config import RunConfig
from mrjax.errors import UserError


def plan(environ, **fields):
    return backend.plan(RunConfig(**fields), environ)


def test_hidden_gpus_are_refused_where_one_is_asked_for():
    for hidden in ("", "-1"):
        with pytest.raises(UserError, match=f"CUDA_VISIBLE_DEVICES={hidden} hides every GPU"):
            plan({"CUDA_VISIBLE_DEVICES": hidden}, platform="gpu")


EMULATED = {
    "CUBLAS_EMULATE_DOUBLE_PRECISION": "1",
    "CUBLAS_EMULATION_STRATEGY": "eager",
    "CUBLAS_FIXEDPOINT_EMULATION_MANTISSA_BIT_COUNT": "40",
}


@pytest.mark.parametrize("given", [{}, EMULATED])
def test_order_free_products_are_not_made_of_fewer_bits(given):
    planned = plan(given, numerics="reproducible")
    cublas = {k: v for k, v in planned.environ.items() if k.startswith("CUBLAS")}
    assert cublas == dict.fromkeys(
        ("CUBLAS_EMULATE_DOUBLE_PRECISION", "CUBLAS_EMULATE_SINGLE_PRECISION"), "0"
    )
    assert len(planned.notes) == len(given)
    again = plan(planned.environ, numerics="reproducible")
    assert again.environ == planned.environ and again.notes == ()
    assert plan(given, numerics="reproducible", platform="cpu").environ.items() >= given.items()


def test_native_products_are_left_to_the_user_and_noted():
    given = {**EMULATED, "NVIDIA_TF32_OVERRIDE": "0"}
    planned = plan(given)
    assert planned.environ.items() >= given.items()
    notes = [f"{k}={v} of the environment may change products on a GPU" for k, v in given.items()]
    assert sorted(planned.notes) == sorted(notes)
    assert plan(given, platform="cpu").notes == ()


def test_the_record_has_them_set_or_not():
    facts = backend.start(RunConfig()).facts()
    assert facts["variables"].keys() >= {*EMULATED, "CUBLAS_WORKSPACE_CONFIG"}


def environ_of(environ=(), **fields):
    return planning.plan(RunConfig(**fields), dict(environ)).environ


def test_plan_of_the_default_config():
    planned = planning.plan(RunConfig(), {"HOME": "/root"})
    assert planned == backend.Plan(
        environ={
            "HOME": "/root",
            "JAX_ENABLE_X64": "1",
            "JAX_THREEFRY_PARTITIONABLE": "1",
            "JAX_DEFAULT_MATMUL_PRECISION": "highest",
            "JAX_ENABLE_COMPILATION_CACHE": "0",
            "CUDA_VISIBLE_DEVICES": "0",
        },
        xla_flags=(),
        notes=(),
    )


def test_no_variable_of_jax_but_the_platforms_is_left_to_the_user():
    given = {"JAX_DISABLE_JIT": "1", "JAX_LOG_COMPILES": "maybe", "JAX_PLATFORMS": "cpu"}
    planned = planning.plan(RunConfig(), given)
    assert planned.environ["JAX_PLATFORMS"] == "cpu"
    assert not {"JAX_DISABLE_JIT", "JAX_LOG_COMPILES"} & planned.environ.keys()
    assert planned.notes == (
        "JAX_DISABLE_JIT=1 of the environment is not used",
        "JAX_LOG_COMPILES=maybe of the environment is not used",
    )


def test_plan_is_at_rest_in_its_own_environment():
    fields = {"xla_deterministic": True, "devices": 2, "batch_size": 2, "cpu_threads": 3}
    once = planning.plan(RunConfig(**fields), {"XLA_FLAGS": "--xla_dump_to=d"})
    again = planning.plan(RunConfig(**fields), once.environ)
    assert again.environ == once.environ and again.notes == ()
    assert again.xla_flags == once.xla_flags == tuple(once.environ["XLA_FLAGS"].split()[1:])


def test_flags_beat_variables_and_notes_say_so():
    user = {
        "NPROC": "8",
        "JAX_PLATFORMS": "cuda",
        "JAX_COMPILATION_CACHE_DIR": "/cache",
        "JAX_ENABLE_X64": "True",
    }
    planned = planning.plan(RunConfig(cpu_threads=2, platform="cpu"), user)
    assert planned.environ["NPROC"] == "2" and planned.environ["JAX_PLATFORMS"] == "cpu"
    assert "JAX_COMPILATION_CACHE_DIR" not in planned.environ
    assert sorted(planned.notes) == [
        "JAX_COMPILATION_CACHE_DIR=/cache of the environment is not used",
        "JAX_PLATFORMS=cuda of the environment is replaced by cpu",
        "NPROC=8 of the environment is replaced by 2",
    ]


def test_variables_without_a_flag_stay():
    planned = planning.plan(RunConfig(), {"NPROC": "8", "JAX_PLATFORMS": "cpu"})
    assert planned.environ["NPROC"] == "8" and planned.environ["JAX_PLATFORMS"] == "cpu"
    assert planned.notes == ("NPROC=8 of the environment sets the number of CPU threads",)


def test_gpu_keeps_the_cpu_beside_it():
    assert environ_of(platform="gpu")["JAX_PLATFORMS"] == "cuda,cpu"


@pytest.mark.parametrize(
    ("visible", "index", "devices", "chosen"),
    [
        (None, 0, 1, "0"),
        (None, 2, 2, "2,3"),
        ("4,5,6", 0, 1, "4"),
        ("4,5,6", 1, 2, "5,6"),
        ("GPU-8a,GPU-9b", 1, 1, "GPU-9b"),
        ("", 0, 1, ""),  # the user hides every GPU
    ],
)
def test_gpus_are_counted_among_the_visible_ones(visible, index, devices, chosen):
    given = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    environ = environ_of(given, device_index=index, devices=devices)
    assert environ["CUDA_VISIBLE_DEVICES"] == chosen
    cpu = environ_of(given, device_index=index, devices=devices, platform="cpu")
    assert cpu.get("CUDA_VISIBLE_DEVICES") == visible


def test_a_gpu_beyond_the_visible_ones_is_refused():
    with pytest.raises(UserError, match="--device_index=1 --devices=1 goes beyond the 1 GPUs of"):
        environ_of({"CUDA_VISIBLE_DEVICES": "3"}, device_index=1)
