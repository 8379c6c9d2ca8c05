"""The networks of all tasks in reproducible arithmetic, small, with their steps and batches."""

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.tasks.breast import config as breast_config
from mrjax.tasks.breast import model as breast_model
from mrjax.tasks.e2e import config as e2e_config
from mrjax.tasks.e2e import model as e2e_model
from mrjax.tasks.qsm import config as qsm_config
from mrjax.tasks.qsm import model as qsm_model
from mrjax.tasks.varnet import config as varnet_config
from mrjax.tasks.varnet import model as varnet_model
from mrjax.train.step import make_step

NORMALISATION = Normalisation(field_mean=0.1, field_std=0.02, chi_mean=0.1, chi_std=0.04)
EMPTY = np.zeros((2, 2, 2), np.float32)
GEOMETRY = QsmSubject(name="none", field=EMPTY, chi=EMPTY, mask=EMPTY > 0)
TASKS = ("qsm", "varnet", "breast", "e2e")
SMALL = {
    "qsm": {"levels": 1, "width": 2, "patch": 8},
    "varnet": {"stages": 2, "rows": 16, "columns": 18, "coils": 2, "acs_lines": 4, "width": 2},
    "breast": {"rows": 16, "columns": 16, "width": 2, "fold": 0},
    "e2e": {"cascades": 1, "width": 2, "levels": 1, "sens_levels": 1, "rows": 16, "columns": 18,
            "coils": 2},
}  # fmt: skip
MODULES = {
    "qsm": (qsm_config, qsm_model),
    "varnet": (varnet_config, varnet_model),
    "breast": (breast_config, breast_model),
    "e2e": (e2e_config, e2e_model),
}


def build(task: str, **changed):
    """The model of a small network."""
    configs, models = MODULES[task]
    values = {**configs.PRESETS["tiny"], "numerics": "reproducible", "batch_size": 2}
    return models.build(configs.Config(**{**values, **SMALL[task], **changed}), "cpu")


def step_of(task: str, built):
    """Its training step."""
    given = (NORMALISATION, GEOMETRY) if task == "qsm" else ()
    return make_step(
        built.loss_function(*given),
        built.optimizer,
        arithmetic=built.arithmetic,
        dynamic_scale=False,
        project=built.project if task == "varnet" else None,
    )


def batch_of(task: str, built) -> dict:
    """Shapes of its batch."""
    c = built.config

    def real(*shape):
        return jax.ShapeDtypeStruct((c.batch_size, *shape), jnp.float32)

    def both(*shape):
        return jax.ShapeDtypeStruct((c.batch_size, *shape), jnp.complex64)

    if task == "qsm":
        return {name: real(*(c.patch,) * 3, 1) for name in ("field", "chi", "mask")}
    if task == "breast":
        return {"image": real(c.rows, c.columns, 3), "mask": real(c.rows, c.columns, 1)}
    coils = both(c.coils, c.rows, c.columns)
    if task == "e2e":
        batch = {"kspace": coils, "mask": real(c.columns), "reference": real(c.rows, c.columns)}
        lines = jax.ShapeDtypeStruct((c.batch_size,), jnp.int32)
        return {**batch, "lines": lines, "data_range": real()}
    reference = both(c.rows, c.columns)
    return {"kspace": coils, "maps": coils, "mask": real(c.columns), "reference": reference}


def predictor_of(task: str, built):
    """(state, batch) -> predictions."""
    predict = built.predictor(*([NORMALISATION] if task == "qsm" else []))
    if task in ("varnet", "e2e"):
        return lambda state, batch: predict(state.params, batch)
    image = {"qsm": "field", "breast": "image"}[task]
    return lambda state, batch: predict(state.params, state.batch_stats, batch[image])
