"""Time one training step of ours beside the same network in PyTorch, on this CPU.

    python -m experiments.bench --task=qsm
    python -m experiments.bench --task=qsm --width=16 --patch=32 --rounds=5
    python -m experiments.bench --task=conv_forms

The task qsm prints one JSON line: median seconds of a step of ours (`ours_s`), of PyTorch
(`peer_s`: eager, the better of contiguous and channels_last_3d) and of ours with XLA's own 3-D
convolution (`stock_s`), `ratio` = ours / peer, and the same from minima (`ratio_of_minima`). The
four take turns, so that whatever else the machine does falls on all of them. On a busy machine
neither is trustworthy: PyTorch's threads wait for each other in a loop and lose far more than
their share.

The task conv_forms prints one JSON line per convolution of the network of that size: median
milliseconds of every form of the product and of the kernel's gradient, and which are chosen.
"""

import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping

from absl import app, flags

from mrjax import backend
from mrjax.errors import UserError
from mrjax.tasks.qsm.config import Config

FLAGS = flags.FLAGS
flags.DEFINE_enum("task", "qsm", ["qsm", "conv_forms"], "what is timed")
flags.DEFINE_integer("width", 8, "features of the first level", lower_bound=1)
flags.DEFINE_integer("levels", 3, "poolings", lower_bound=1)
flags.DEFINE_integer("window", 5, "edge of the convolution window", lower_bound=1)
flags.DEFINE_integer("patch", 32, "edge of a patch [voxels]", lower_bound=4)
flags.DEFINE_integer("batch_size", 2, "patches in a batch", lower_bound=1)
flags.DEFINE_integer("rounds", 15, "timed steps of each, after two to warm up", lower_bound=1)
flags.DEFINE_integer("threads", 2, "threads of both frameworks", lower_bound=1)
flags.DEFINE_boolean("stock", True, "also time the step with XLA's own 3-D convolution")

Step = Callable[[], float]


def _example(config: Config) -> dict:
    """A batch with the numbers of a real one; time does not depend on the values."""
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (config.batch_size, *(config.patch,) * 3, 1)
    draw = {name: rng.standard_normal(shape).astype(np.float32) for name in ("field", "chi")}
    return {**draw, "mask": np.ones(shape, np.float32)}


def ours(config: Config, batch: Mapping) -> tuple[Step, float]:
    """Return a training step of mrjax, as a run executes it, and its seconds of compilation."""
    import jax

    from mrjax.data.pipeline import Normalisation
    from mrjax.physics.phantoms import brain
    from mrjax.tasks.qsm import model
    from mrjax.train.step import make_step

    built = model.build(config, "cpu")
    constants = Normalisation(field_mean=0.0, field_std=1.0, chi_mean=0.0, chi_std=1.0)
    loss = built.loss_function(constants, brain.brain(0, 0, 0, (8, 8, 8)))
    state = built.initial_state()
    step = make_step(loss, built.optimizer, dynamic_scale=False)
    start = time.perf_counter()
    compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
    seconds = time.perf_counter() - start

    def run() -> float:
        nonlocal state
        state, evidence = compiled(state, batch)
        return float(evidence.loss)

    return run, seconds


def peer(config: Config, batch: Mapping, *, channels_last: bool) -> Step:
    """Return a training step of the same network in eager PyTorch."""
    import torch

    from mrjax.baseline import nets, weights
    from mrjax.physics import dipole
    from mrjax.tasks.qsm import model

    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    net = nets.QSMnet(config.width, config.levels, config.window)
    weights.load_weights(net, model.build(config, "cpu").initial_params())
    net.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    field, chi, mask = (
        torch.from_numpy(batch[name]).movedim(-1, 1).contiguous(memory_format=layout)
        for name in ("field", "chi", "mask")
    )
    kernel = torch.tensor(dipole.kernel((config.patch,) * 3), dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = nets.qsm_loss(net(field), chi, field, mask, kernel, 0.0, 1.0)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def measure(steps: Mapping[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Return seconds of each step, run in turns, after two rounds to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return {name: times[2:] for name, times in seconds.items()}


def layer_shapes(config: Config) -> list[tuple[int, int, int]]:
    """Return (edge, inputs, outputs) of the network's different convolutions but the last."""
    shapes = [(config.patch, 1, config.width)]
    for level in range(config.levels + 1):
        edge, width = config.patch >> level, config.width << level
        shapes += [(edge, width // 2, width)] if level else []
        shapes += [(edge, width, width)]
        shapes += [(edge, 2 * width, width)] if level < config.levels else []
    return shapes


def time_forms(config: Config, shape: tuple[int, int, int]) -> dict:
    """Return median milliseconds of every form for one convolution, in turns."""
    import jax
    import numpy as np

    from mrjax.numerics.native import correlate, fold, products

    edge, inputs, outputs = shape
    window, rng = (config.window,) * 3, np.random.default_rng(0)
    draw = lambda *axes: rng.standard_normal(axes).astype(np.float32)  # noqa: E731
    x, g = (draw(config.batch_size, *(edge,) * 3, c) for c in (inputs, outputs))
    kernel = draw(*window, inputs, outputs)

    def timed(function: Callable, *arguments: object) -> Callable[[], None]:
        compiled = jax.jit(function).lower(*arguments).compile()
        return lambda: jax.block_until_ready(compiled(*arguments))

    product = {k: timed(f, x, kernel) for k, f in fold.FORMS.items() if k != "point"}
    gradient = {
        k: timed(lambda a, b, f=f: f(a, b, window), x, g)
        for k, f in correlate.FORMS.items()
        if k != "point"
    }
    milliseconds = lambda steps: {  # noqa: E731
        k: round(1e3 * statistics.median(v), 2) for k, v in measure(steps, FLAGS.rounds).items()
    }
    return {
        "convolution": f"{edge}^3, {inputs} to {outputs}",
        "product_ms": milliseconds(product),
        "kernel_gradient_ms": milliseconds(gradient),
        "chosen": products.choose((edge,) * 3, inputs, outputs, window)._asdict(),
    }


def report(config: Config, seconds: Mapping[str, list[float]], compile_s: float) -> dict:
    """Return the record that is printed."""
    median = {name: statistics.median(times) for name, times in seconds.items()}
    least = {name: min(times) for name, times in seconds.items()}
    layouts = ("contiguous", "channels_last_3d")
    layout = min(layouts, key=median.__getitem__)
    return {
        "task": FLAGS.task,
        "shape": {
            name: getattr(config, name)
            for name in ("width", "levels", "window", "patch", "batch_size")
        },
        "ours_s": median["ours"],
        "peer_s": median[layout],
        "stock_s": median.get("stock"),
        "ratio": median["ours"] / median[layout],
        "ratio_of_minima": least["ours"] / min(least[name] for name in layouts),
        "peer_layout": layout,
        "compile_s": compile_s,
        "threads": FLAGS.threads,
        "rounds": FLAGS.rounds,
        "load": os.getloadavg()[0],
    }


def time_steps(config: Config) -> dict:
    """Return the record of the task qsm."""
    import torch

    torch.set_num_threads(FLAGS.threads)
    batch = _example(config)
    step, compile_s = ours(config, batch)
    steps = {
        "ours": step,
        "contiguous": peer(config, batch, channels_last=False),
        "channels_last_3d": peer(config, batch, channels_last=True),
    }
    if FLAGS.stock:
        steps["stock"], _ = ours(dataclasses.replace(config, conv_form="lax"), batch)
    return report(config, measure(steps, FLAGS.rounds), compile_s)


def main(_: list[str]) -> None:
    """Time what was asked for and print JSON lines."""
    sizes = ("width", "levels", "window", "patch", "batch_size")
    common = {name: getattr(FLAGS, name) for name in sizes}
    config = Config(**common, volume=max(8, FLAGS.patch), platform="cpu", cpu_threads=FLAGS.threads)
    try:
        config.check()
        backend.reexec(config)
    except UserError as error:
        sys.exit(f"error: {error}")
    if FLAGS.task == "conv_forms":
        for shape in layer_shapes(config):
            print(json.dumps(time_forms(config, shape)), flush=True)
    else:
        print(json.dumps(time_steps(config)))


if __name__ == "__main__":
    app.run(main)
