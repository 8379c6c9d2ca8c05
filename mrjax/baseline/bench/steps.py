"""What every timed task shares: our compiled step, PyTorch's eager one, turns, the record."""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import torch

from mrjax.train.step import make_step

Step = Callable[[], float]
"""One training step; returns the loss, which is what waits for it."""


@dataclasses.dataclass(frozen=True)
class Contest:
    """Steps that are timed against each other.

    Attributes:
        steps: by name; ``ours``, perhaps ``stock`` (ours in XLA's own convolutions), and peers.
        peers: those of `steps` whose best one is the peer; ratios are relative to it.
        compile_s: seconds that ours took to compile.
    """

    steps: Mapping[str, Step]
    peers: tuple[str, ...]
    compile_s: float


def compiled(model: Any, loss: Any, batch: Mapping, project: Any = None) -> tuple[Step, float]:
    """Return a training step as a run executes it, digests included, and its compile time [s].

    Args:
        model: of a task, with `optimizer` and `initial_state()`.
        loss: its loss function.
        batch: the same for every step.
        project: see `mrjax.train.step.make_step`.

    Returns:
        The step, and seconds.
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

    return once, seconds


def eager(
    network: torch.nn.Module,
    loss: Callable[[], torch.Tensor],
    learning_rate: float,
    project: Callable[[torch.nn.Module], None] | None = None,
) -> Step:
    """Return a training step of a torch network: loss, gradients, Adam, projection.

    Args:
        network: what is trained.
        loss: computes the loss anew.
        learning_rate: of Adam.
        project: applied after each update.

    Returns:
        The step.
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


def measure(steps: Mapping[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Return seconds of each step, run in turns, after two rounds to warm up."""
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
        task: its name.
        shape: what determines the work.
        contest: what is timed.
        rounds: timed steps of each.

    Returns:
        Medians and minima in seconds, and ratios of ours to the best peer.
    """
    seconds = measure(contest.steps, rounds)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    least = {name: min(times) for name, times in seconds.items()}
    peer = min(contest.peers, key=median.__getitem__)
    return {
        "task": task,
        "shape": dict(shape),
        "ours_s": median["ours"],
        "peer_s": median[peer],
        "stock_s": median.get("stock"),
        "ratio": median["ours"] / median[peer],
        "ratio_of_minima": least["ours"] / min(least[name] for name in contest.peers),
        "peer": peer,
        "median_s": median,
        "minimum_s": least,
        "compile_s": contest.compile_s,
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "load": os.getloadavg()[0],
    }
