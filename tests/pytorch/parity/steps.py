"""One step of a case in each framework, and how far apart two trees are."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import traverse_util as traverse
from helpers import jit_quickly
from pytorch.parity import cases

from mrjax.numerics.trees import named_leaves
from mrjax.pytorch import varnet, weights

Arrays = cases.Arrays
TYPES = {"float32": torch.float32, "float64": torch.float64}


class Results(NamedTuple):
    """What is compared; trees by Linen path.

    Attributes:
        output: of the network in training mode, normalised by the batch where it normalises.
        prediction: of the task, by the running statistics before the step.
        loss: before the step.
        gradients: of the loss.
        parameters: after one step of Adam, projected where the task projects.
        statistics: after the step.
    """

    output: np.ndarray
    prediction: np.ndarray
    loss: float
    gradients: Arrays
    parameters: Arrays
    statistics: Arrays


def our_results(case: cases.Case) -> Callable[[Arrays, Arrays, Arrays], Results]:
    """Return (params, stats, batch) -> results of one step, compiled once."""
    model = case.model
    project = getattr(model, "project", None) or (lambda params: params)

    @jit_quickly
    def step(params: Any, stats: Any, batch: Any) -> tuple:
        gradient = jax.value_and_grad(case.loss, has_aux=True)
        (loss, kept), grads = gradient(params, stats, batch)
        updates, _ = model.optimizer.update(grads, model.optimizer.init(params), params)
        updated = project(optax.apply_updates(params, updates))
        prediction = case.predict(params, stats, batch)
        return output(params, stats, batch), prediction, loss, grads, updated, kept

    def output(params: Any, stats: Any, batch: Any) -> Any:
        if case.image is None:
            return case.predict(params, stats, batch)
        variables = {"params": params, "batch_stats": stats}
        return model.net.apply(variables, batch[case.image], True, mutable=["batch_stats"])[0]

    def results(params: Arrays, stats: Arrays, batch: Arrays) -> Results:
        trees = (traverse.unflatten_dict(t, "/") for t in (params, stats))
        found = step(*trees, jax.tree.map(jnp.asarray, batch))
        output, prediction, loss, *kept = jax.tree.map(np.asarray, found)
        gradients, parameters, statistics = map(named_leaves, kept)
        return Results(output, prediction, float(loss), gradients, parameters, statistics)

    return results


def to_torch(batch: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Batch of a U-Net with channels first; that of a VarNet, without an axis of 1 or 3, as is."""
    tensors = {k: torch.from_numpy(np.array(v, order="C")) for k, v in batch.items()}
    return {
        k: t.movedim(-1, 1).contiguous() if t.shape[-1] in (1, 3) else t for k, t in tensors.items()
    }


def their_results(case: cases.Case, params: Arrays, stats: Arrays, batch: Arrays) -> Results:
    """The same step in PyTorch."""
    network, tensors = case.network, to_torch(batch)
    network.to(TYPES[str(next(iter(params.values())).dtype)])
    with torch.no_grad():
        weights.load_weights(network, params, stats)
        prediction = case.their_predict(network.eval(), tensors)
        output = prediction if case.image is None else network.train()(tensors[case.image])
    weights.load_weights(network, params, stats)
    optimizer = torch.optim.Adam(network.parameters(), lr=case.model.config.learning_rate)
    optimizer.zero_grad()
    loss = case.their_loss(network.train(), tensors)
    loss.backward()
    gradients = {k: g.numpy().copy() for k, g in weights.gradients(network).items()}
    optimizer.step()
    varnet.project(network)  # knows its own cells; a U-Net has none
    output, prediction = (
        x.movedim(1, -1).numpy() if x.ndim > 3 else x.numpy() for x in (output, prediction)
    )
    parameters, statistics = weights.read_weights(network), weights.read_stats(network)
    return Results(output, prediction, loss.item(), gradients, parameters, statistics)


def with_true_gradient(leaves: Arrays) -> Arrays:
    """All leaves but the biases of convolutions before normalisation, which takes them out."""
    norms = {k.removesuffix("norm/scale") for k in leaves if k.endswith("norm/scale")}
    return {k: v for k, v in leaves.items() if k not in {f"{n}conv/bias" for n in norms}}


def distance(actual: Arrays, expected: Arrays) -> float:
    """L2 distance of two trees relative to the norm of the second."""
    assert actual.keys() == expected.keys()
    square = sum(float(np.sum((actual[k] - v) ** 2)) for k, v in expected.items())
    return (square / sum(float(np.sum(v**2)) for v in expected.values())) ** 0.5
