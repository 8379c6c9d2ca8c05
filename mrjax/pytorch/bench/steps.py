"""What every timed task shares: our compiled step, PyTorch's eager step, turns, the record."""

import dataclasses
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import torch

from mrjax.pytorch import layout, weights
from mrjax.tasks import registry
from mrjax.train.step import make_step

Step = Callable[[], float]
"""One training step; it returns the loss as a Python number, and so waits for its end."""

VARIANTS = {"stock": {"conv_form": "lax"}, "reproducible": {"numerics": "reproducible"}}
"""Variant of our step -> fields of the configuration in which it differs."""


class Ours(NamedTuple):
    """A compiled step of ours.

    Attributes:
        step: the step.
        compile_s: time of its compilation [s].
        memory_bytes: memory that it needs besides its arguments [byte].
    """

    step: Step
    compile_s: float
    memory_bytes: int


@dataclasses.dataclass(frozen=True)
class Contest:
    """Steps that are timed against each other.

    Attributes:
        ours: ``ours``, and variants of it, by name.
        torch: steps of PyTorch by name.
        peers: names in `torch`; ratios are relative to the fastest of these.
    """

    ours: Mapping[str, Ours]
    torch: Mapping[str, Step]
    peers: tuple[str, ...]


def contest(
    config: Any,
    variants: Iterable[str],
    ours: Callable[[Any, Mapping], Ours],
    theirs: Mapping[str, Callable[[Any, Mapping], Step]],
    peers: Iterable[str],
) -> Contest:
    """Return the steps of a task that are timed against each other, all on the same batch of noise.

    Args:
        config: of the run whose step is timed.
        variants: keys of `VARIANTS` that are timed beside ours.
        ours: (configuration, batch) -> our step.
        theirs: name -> function from configuration and batch to PyTorch's step.
        peers: see `Contest`.
    """
    batch = registry.module(config.experiment, "noise").batch(config)
    changed = {name: dataclasses.replace(config, **VARIANTS[name]) for name in variants}
    return Contest(
        {name: ours(c, batch) for name, c in ({"ours": config} | changed).items()},
        {name: step(config, batch) for name, step in theirs.items()},
        tuple(peers),
    )


def compiled(model: Any, loss: Any, batch: Mapping, project: Any = None) -> Ours:
    """Return our training step as a run executes it, with its digests.

    Args:
        model: of a task.
        loss: its loss function.
        batch: the batch of every step.
        project: see `mrjax.train.step.make_step`.
    """
    state = model.initial_state()
    step = make_step(
        loss,
        model.optimizer,
        arithmetic=model.arithmetic,
        dynamic_scale=False,
        project=project,
    )
    start = time.perf_counter()
    run = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
    seconds = time.perf_counter() - start

    def once() -> float:
        nonlocal state
        state, evidence = run(state, batch)
        return float(evidence.loss)

    memory = run.memory_analysis()
    return Ours(once, seconds, memory.temp_size_in_bytes if memory else 0)


def eager(
    network: torch.nn.Module,
    loss: Callable[[], torch.Tensor],
    learning_rate: float,
    project: Callable[[torch.nn.Module], None] | None = None,
) -> Step:
    """Return a training step of a torch network: loss, gradients, Adam, projection.

    Args:
        network: the network that is trained.
        loss: computes the loss of the batch.
        learning_rate: of Adam.
        project: applied after each update.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)

    def once() -> float:
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        if project is not None:
            project(network)
        return value.item()

    return once


def in_layouts(
    dims: int,
    make: Callable[[Any], torch.nn.Module],
    loss: Callable[[torch.nn.Module, Mapping[str, torch.Tensor], Any], torch.Tensor],
) -> dict[str, Callable[[Any, Mapping], Step]]:
    """Return the steps of a U-Net in both memory formats, by name, for `contest`.

    Args:
        dims: spatial axes, 2 or 3.
        make: configuration -> network.
        loss: (network, batch with channels first, configuration) -> scalar.
    """

    def step(form: torch.memory_format, config: Any, batch: Mapping) -> Step:
        net = make(config)
        model = registry.module(config.experiment, "model").build(config, "cpu")
        weights.load_weights(net, model.initial_params())
        net.to(memory_format=form)  # pyright: ignore[reportCallIssue]
        tensors = layout.first({k: torch.from_numpy(v) for k, v in batch.items()}, form)
        return eager(net, lambda: loss(net, tensors, config), config.learning_rate)

    last = layout.LAST[dims]
    forms = {"contiguous": torch.contiguous_format, str(last).removeprefix("torch."): last}
    return {name: functools.partial(step, form) for name, form in forms.items()}


def measure(steps: Mapping[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Return the times [s] of each step, run in turns after two rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return {name: times[2:] for name, times in seconds.items()}


def report(task: str, shape: Mapping[str, int], contest: Contest, rounds: int) -> dict:
    """Time the steps and return the record to print.

    Args:
        task: name of the task.
        shape: the sizes that determine the work of a step.
        contest: the steps.
        rounds: number of times that each step is timed.

    Returns:
        Medians and minima [s], and ratios of our step to the fastest peer.
    """
    steps = {name: ours.step for name, ours in contest.ours.items()} | dict(contest.torch)
    seconds = measure(steps, rounds)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    least = {name: min(times) for name, times in seconds.items()}
    peer = min(contest.peers, key=median.__getitem__)
    return {
        "task": task,
        "shape": dict(shape),
        "peer_s": median[peer],
        "ratio": median["ours"] / median[peer],
        "ratio_of_minima": least["ours"] / min(least[name] for name in contest.peers),
        "peer": peer,
        **{f"{name}_s": median[name] for name in contest.ours},
        "median_s": median,
        "minimum_s": least,
        "compile_s": {name: ours.compile_s for name, ours in contest.ours.items()},
        "memory_bytes": {name: ours.memory_bytes for name, ours in contest.ours.items()},
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "load": os.getloadavg()[0],
    }
