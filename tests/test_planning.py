"""What the plan of a run makes of the variables that NVIDIA's libraries read."""

import pytest

from mrjax import backend
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
