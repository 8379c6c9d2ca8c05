"""How much recording adds to a training step: steps with and without it take turns.

PYTHONPATH=.:tests python -m recorder.cost --framework=jax [--pairs=20]
PYTHONPATH=.:tests python -m recorder.cost --framework=torch

The network is a U-Net: with JAX one of Flax (32 channels, 3 poolings, 160 x 160), with PyTorch that
of the package fastmri (32 channels, 4 poolings, 320 x 320). Every pair is one step with and one
without, in an order that alternates, so that whatever else the machine does falls on both. A step
that is recorded ends when its line is in the ledger. Printed are quartiles over the pairs.
"""

import argparse
import tempfile
import time

import numpy as np


def flax_unet(channels):
    """Return a U-Net of Flax."""
    import flax.linen as nn
    import jax.numpy as jnp

    class Block(nn.Module):
        features: int

        @nn.compact
        def __call__(self, x):
            for _ in range(2):
                x = nn.relu(nn.GroupNorm(8)(nn.Conv(self.features, (3, 3))(x)))
            return x

    class Unet(nn.Module):
        @nn.compact
        def __call__(self, x):
            skips = []
            for level in range(3):
                skips.append(Block(channels << level)(x))
                x = nn.avg_pool(skips[-1], (2, 2), (2, 2))
            x = Block(channels << 3)(x)
            for level in reversed(range(3)):
                x = nn.ConvTranspose(channels << level, (2, 2), (2, 2))(x)
                x = Block(channels << level)(jnp.concatenate([x, skips[level]], -1))
            return nn.Conv(1, (1, 1))(x)

    return Unet()


def of_jax(folder, edge, channels):
    """Return a function that takes one step, recorded or not."""
    import jax
    import jax.numpy as jnp
    import optax

    from mrjax.recorder import JaxRecorder

    model, optimizer = flax_unet(channels), optax.adam(1e-3)
    batch = jax.random.normal(jax.random.key(0), (1, edge, edge, 1), jnp.float32)
    params = jax.jit(model.init)(jax.random.key(1), batch)

    @jax.jit
    def update(params, state, batch):
        loss, grads = jax.value_and_grad(lambda p: jnp.mean((model.apply(p, batch) - batch) ** 2))(
            params
        )
        changes, state = optimizer.update(grads, state)
        return optax.apply_updates(params, changes), state, loss, grads

    held = [params, optimizer.init(params)]
    record = JaxRecorder(folder, params)

    def step(recorded):
        held[0], held[1], loss, grads = update(*held, batch)
        if recorded:
            record.step(loss, params=held[0], grads=grads, batch=batch)
            record.flush()
        jax.block_until_ready(held[0])

    return step


def of_torch(folder, edge, channels):
    """Return a function that takes one step, recorded or not."""
    import torch
    from fastmri.models import Unet

    from mrjax.recorder import Recorder

    torch.manual_seed(0)
    model = Unet(1, 1, chans=channels, num_pool_layers=4)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    batch = torch.rand(1, 1, edge, edge)
    record = Recorder(folder, model, optimizer)

    def step(recorded):
        optimizer.zero_grad()
        loss = torch.nn.functional.l1_loss(model(batch), batch)
        loss.backward()
        optimizer.step()
        if recorded:
            record.step(loss, batch)

    return step


def measured(step, pairs, limit):
    """Return seconds of steps [pair, without or with]; no pair begins after `limit` seconds."""
    for recorded in (True, False):  # compiles
        step(recorded)
    seconds, start = np.empty((pairs, 2)), time.perf_counter()
    for pair in range(pairs):
        for recorded in ((0, 1), (1, 0))[pair % 2]:
            began = time.perf_counter()
            step(bool(recorded))
            seconds[pair, recorded] = time.perf_counter() - began
        if time.perf_counter() - start > limit:
            break
    return seconds[: pair + 1]


def main(argv=None):
    """Print quartiles [s] of both kinds of steps and of what recording adds, also in per cent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--framework", choices=("jax", "torch"), required=True)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--edge", type=int, default=0)
    parser.add_argument("--channels", type=int, default=32)
    args = parser.parse_args(argv)
    make, edge = {"jax": (of_jax, 160), "torch": (of_torch, 320)}[args.framework]
    with tempfile.TemporaryDirectory() as folder:
        step = make(f"{folder}/run", args.edge or edge, args.channels)
        seconds = measured(step, args.pairs, args.limit)
    print(f"{args.framework}: {len(seconds)} pairs; quartiles")
    without, added = seconds[:, 0], seconds[:, 1] - seconds[:, 0]
    rows = {"without": without, "with": seconds[:, 1], "added": added}
    for name, values in rows.items():
        print(
            f"{name:>8}: {' '.join(f'{q:.4f}' for q in np.quantile(values, [0.25, 0.5, 0.75]))} s"
        )
    percent = 100 * np.quantile(added, [0.25, 0.5, 0.75]) / np.median(without)
    print(f"added in per cent of the median without: {' '.join(f'{q:.2f}' for q in percent)}")


if __name__ == "__main__":
    main()
