"""The three tasks in both frameworks: the same weights, statistics and batches."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from helpers import draw

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.physics import dipole
from mrjax.physics.phantoms import brain
from mrjax.pytorch import e2e, losses, nets, unet, varnet
from mrjax.tasks.breast import config as breast_config
from mrjax.tasks.breast import model as breast_model
from mrjax.tasks.e2e import config as e2e_config
from mrjax.tasks.e2e import model as e2e_model
from mrjax.tasks.qsm import config as qsm_config
from mrjax.tasks.qsm import model as qsm_model
from mrjax.tasks.varnet import config as varnet_config
from mrjax.tasks.varnet import model as varnet_model

Arrays = dict[str, np.ndarray]
CONSTANTS = Normalisation(field_mean=0.002, field_std=0.03, chi_mean=0.01, chi_std=0.05)
DIRECTION = (0.0, 0.6, 0.8)
QSM = {"batch_size": 2, "width": 3, "levels": 1, "model_weight": 0.7, "gradient_weight": 0.2}
VARNET = {"batch_size": 2, "rows": 48, "columns": 40, "width": 4, "stages": 2}
E2E = {"batch_size": 2, "rows": 35, "columns": 40, "cascades": 2, "width": 3, "levels": 1}
BREAST = {"batch_size": 2, "rows": 24, "columns": 16, "width": 4, "levels": 2}


@dataclasses.dataclass(frozen=True)
class Case:
    """One task in one data type.

    Attributes:
        model: ours.
        loss: ours, of (params, batch_stats, batch).
        predict: ours, of (params, batch_stats, batch).
        network: torch's.
        their_loss: torch's, of (network, batch).
        their_predict: torch's, of (network, batch).
        image: name of the array in a batch that is the network's input in the test of its output;
            None for a VarNet, whose output is its prediction.
        batches: name to batch, channels last where there are channels.
    """

    model: Any
    loss: Callable
    predict: Callable
    network: torch.nn.Module
    their_loss: Callable
    their_predict: Callable
    image: str | None
    batches: Mapping[str, Arrays]


def qsm(dtype: str, rng: np.random.Generator, **changes: Any) -> Case:
    values = {**qsm_config.PRESETS["tiny"], **QSM, **changes}
    config = qsm_config.Config(**values, dtype=dtype)
    model = qsm_model.build(config, "cpu")
    edge = (config.patch,) * 3
    empty = np.zeros((2, 2, 2), np.float32)
    geometry = QsmSubject(name="g", field=empty, chi=empty, mask=empty > 0, b0_direction=DIRECTION)
    kernel = torch.tensor(dipole.kernel(edge, (1.0, 1.0, 1.0), DIRECTION))
    constants = nets.QsmConstants(
        kernel,
        **dataclasses.asdict(CONSTANTS),
        model_weight=config.model_weight,
        gradient_weight=config.gradient_weight,
    )
    predict = model.predictor(CONSTANTS)
    return Case(
        model,
        model.loss_function(CONSTANTS, geometry),
        lambda params, stats, batch: predict(params, stats, batch["field"]),
        nets.QSMnet(config.width, config.levels, config.window, config.momentum),
        lambda network, batch: losses.qsm_loss(network, batch, constants),
        lambda network, batch: losses.qsm_predict(network, batch["field"], constants),
        "field",
        {"noise": _noise_volumes(rng, config), "masked": _heads(config)},
    )


def _noise_volumes(rng: np.random.Generator, config: qsm_config.Config) -> Arrays:
    shape = (config.batch_size, *(config.patch,) * 3, 1)
    return {
        "field": 0.03 * draw(rng, shape),
        "chi": 0.05 * draw(rng, shape),
        "mask": (draw(rng, shape) > 0).astype(float),
    }


def _heads(config: qsm_config.Config) -> Arrays:
    """Whole brains with an eighth of the patch empty on each side, so with zeros and many ties."""
    margin = config.patch // 8
    edge = config.patch - 2 * margin
    subjects = [brain.brain(0, 0, i, (edge, edge, edge)) for i in range(config.batch_size)]
    return {
        name: np.stack([np.pad(getattr(s, name), margin) for s in subjects])[..., None].astype(
            float
        )
        for name in ("field", "chi", "mask")
    }


def variational(form: type[varnet.VarNet], loss: str) -> Callable[..., Case]:
    """Return a function that makes VarNet cases with torch's network in one of its forms."""

    def make(dtype: str, rng: np.random.Generator, **changes: Any) -> Case:
        values = {**varnet_config.PRESETS["tiny"], **VARNET, "loss": loss, **changes}
        config = varnet_config.Config(**values, dtype=dtype)
        model = varnet_model.build(config, "cpu")
        predict = model.predictor()
        return Case(
            model,
            model.loss_function(),
            lambda params, stats, batch: predict(params, batch),
            form(config.stages, config.width, config.nodes, config.window),
            lambda network, batch: losses.varnet_loss(network, batch, config.loss),
            losses.varnet_predict,
            None,
            {"noise": _slices(rng, config, 1), "masked": _slices(rng, config, 0)},
        )

    return make


def _slices(rng: np.random.Generator, config: Any, outside: float) -> Arrays:
    """Noise seen by coils, multiplied by `outside` outside a disc; 0 gives zeros, as in data."""
    size = (config.rows, config.columns)
    inside = np.where(_disc(size), 1.0, outside)
    shape = (config.batch_size, config.coils, *size)
    maps = _complex(rng, shape)
    maps = inside * maps / np.sqrt(np.sum(np.abs(maps) ** 2, axis=1, keepdims=True))
    mask = (draw(rng, (config.batch_size, config.columns)) > 0).astype(float)
    reference = inside * _complex(rng, (config.batch_size, *size))
    axes = (-2, -1)
    spectrum = np.fft.fft2(np.fft.ifftshift(maps * reference[:, None], axes), norm="ortho")
    kspace = mask[:, None, None] * np.fft.fftshift(spectrum, axes)
    return {"kspace": kspace, "maps": maps, "mask": mask, "reference": reference}


def _complex(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return draw(rng, shape) + 1j * draw(rng, shape)


def breast(dtype: str, rng: np.random.Generator, **changes: Any) -> Case:
    values = {**breast_config.PRESETS["tiny"], **BREAST, **changes}
    config = breast_config.Config(**values, dtype=dtype)
    model = breast_model.build(config, "cpu")
    predict = model.predictor()
    shape = (config.batch_size, config.rows, config.columns)
    image, mask = draw(rng, (*shape, 3)), (draw(rng, (*shape, 1)) > 0).astype(float)
    inside = _disc(shape[1:])[..., None]
    return Case(
        model,
        model.loss_function(),
        lambda params, stats, batch: predict(params, stats, batch["image"]),
        unet.UNet2d(3, config.width, config.levels, config.momentum),
        losses.breast_loss,
        lambda network, batch: losses.breast_predict(network, batch["image"]),
        "image",
        {
            "noise": {"image": image, "mask": mask},
            "masked": {"image": image * inside, "mask": mask * inside},
        },
    )


def _disc(size: tuple[int, ...]) -> np.ndarray:
    axes = np.meshgrid(*(np.linspace(-1.5, 1.5, n) for n in size), indexing="ij")
    return np.sum(np.square(axes), axis=0) < 1


def end_to_end(dtype: str, rng: np.random.Generator, **changes: Any) -> Case:
    values = {**e2e_config.PRESETS["tiny"], **E2E, **changes}
    config = e2e_config.Config(**values, dtype=dtype)
    model = e2e_model.build(config, "cpu")
    predict = model.predictor()
    sizes = (config.cascades, config.width, config.levels, config.sens_width, config.sens_levels)
    return Case(
        model,
        model.loss_function(),
        lambda params, stats, batch: predict(params, batch),
        e2e.E2EVarNet(*sizes),
        losses.e2e_loss,
        losses.e2e_predict,
        None,
        {"noise": _magnitudes(rng, config, 1), "masked": _magnitudes(rng, config, 0)},
    )


def _magnitudes(rng: np.random.Generator, config: e2e_config.Config, outside: float) -> Arrays:
    """Slices with their calibration lines; the reference is smaller than the image."""
    found = _slices(rng, config, outside)
    reference = np.abs(found["reference"])[:, 3:-4, 2:-2]
    found["mask"][:, 16:25] = 1
    return {
        "kspace": found["kspace"],
        "mask": found["mask"],
        "lines": np.asarray([8.0, 0.0]),
        "reference": reference,
        "data_range": reference.max(axis=(1, 2)),
    }


MAKERS = {
    "qsm": qsm,
    "tuned varnet": variational(varnet.TunedVarNet, "complex"),
    "public varnet": variational(varnet.VarNet, "magnitude"),
    "breast": breast,
    "end-to-end": end_to_end,
}


def trained(case: Case, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
    """Weights and statistics as after some steps, when no bias is 0 and no scale is 1."""
    params = {
        k: np.asarray(v + 0.03 * draw(rng, v.shape), float)
        for k, v in sorted(case.model.initial_params().items())
    }
    kinds = {"mean": lambda s: draw(rng, s), "var": lambda s: 1 + draw(rng, s) ** 2,
             "weight": lambda s: np.full(s, 0.7)}  # fmt: skip
    shapes = case.model.shapes.get("batch_stats", {})
    return params, {k: kinds[k.rpartition("/")[2]](s) for k, s in sorted(shapes.items())}


def cast(arrays: Mapping[str, np.ndarray], dtype: str) -> Arrays:
    """Arrays in the real or complex type of that precision."""
    complex_type = {"float32": "complex64", "float64": "complex128"}[dtype]
    return {
        k: np.asarray(v).astype(complex_type if np.iscomplexobj(v) else dtype)
        for k, v in arrays.items()
    }
