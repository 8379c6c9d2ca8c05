"""What every timed task shares: our compiled step, PyTorch's eager one, turns, the record."""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import torch

from mrjax.train.step import make_step

Step = Callable[[], float]
"""One training step; returns the loss, which is what waits for it."""

VARIANTS = {"stock": {"conv_form": "lax"}, "reproducible": {"numerics": "reproducible"}}
"""Fields of the configuration in which a variant of ours differs from ours."""


class Ours(NamedTuple):
    """A compiled step.

    Attributes:
        step: runs it.
        compile_s: seconds that it took to compile.
        memory_bytes: that it needs besides its arguments.
    """

    step: Step
    compile_s: float
    memory_bytes: int


@dataclasses.dataclass(frozen=True)
class Contest:
    """Steps that are timed against each other.

    Attributes:
        ours: ``ours``, and variants of it by name.
        torch: steps of PyTorch by name.
        peers: those of `torch` whose best one is the peer; ratios are relative to it.
    """

    ours: Mapping[str, Ours]
    torch: Mapping[str, Step]
    peers: tuple[str, ...]


def compiled_variants(
    config: Any, variants: Iterable[str], compile_step: Callable[[Any], Ours]
) -> dict[str, Ours]:
    """Return ours and variants of it.

    Args:
        config: of the run whose step is timed.
        variants: keys of `VARIANTS`.
        compile_step: the step of a configuration.

    Returns:
        Steps by name.
    """
    changed = {name: dataclasses.replace(config, **VARIANTS[name]) for name in variants}
    return {name: compile_step(c) for name, c in ({"ours": config} | changed).items()}


def compiled(model: Any, loss: Any, batch: Mapping, project: Any = None) -> Ours:
    """Return a training step as a run executes it, digests included.

    Args:
        model: of a task, with `optimizer` and `initial_state()`.
        loss: its loss function.
        batch: the same for every step.
        project: see `mrjax.train.step.make_step`.

    Returns:
        The step, and what it costs.
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
