"""A training in JAX that knows nothing of mrjax, but for the recorder's three lines.

python jax_training.py --folder=DIR [--steps=8] [--die_at=5] [--ulp_at=3] ...
"""

import argparse
import os
import pickle
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mrjax.recorder import JaxRecorder


def start():
    keys = jax.random.split(jax.random.key(0), 2)
    return {
        "first": {"w": jax.random.normal(keys[0], (5, 16)), "b": jnp.zeros((1, 16), jnp.bfloat16)},
        "last": {"w": jax.random.normal(keys[1], (16, 1))},
    }


def loss_of(params, batch, key):
    hidden = jnp.tanh(batch["x"] @ params["first"]["w"] + params["first"]["b"])
    hidden *= jax.random.bernoulli(key, 0.9, hidden.shape)
    return jnp.mean((hidden @ params["last"]["w"] - batch["y"]) ** 2)


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--batch_at", type=int, default=0)
    parser.add_argument("--ulp_at", type=int, default=0)
    parser.add_argument("--checkpoint", default="")
    parser.add_argument("--die_at", type=int, default=0)
    args = parser.parse_args(argv)
    optimizer = optax.adam(1e-2)

    @jax.jit
    def update(params, state, batch, key):
        loss, grads = jax.value_and_grad(loss_of)(params, batch, key)
        changes, state = optimizer.update(grads, state)
        return optax.apply_updates(params, changes), state, loss, grads

    params = start()
    state, done = optimizer.init(params), 0
    if args.checkpoint and Path(args.checkpoint).exists():
        params, state, done = pickle.loads(Path(args.checkpoint).read_bytes())
    record = JaxRecorder(
        args.folder, params, config={"rate": 1e-2}, every=args.every, steps_done=done
    )
    for step in range(done + 1, args.steps + 1):
        rng = np.random.default_rng((args.seed, step + 100 * (step == args.batch_at)))
        batch = {"x": rng.standard_normal((4, 5)), "y": np.ones((4, 1)), "names": ["a", "b"]}
        numbers = {name: batch[name] for name in ("x", "y")}
        key = jax.random.fold_in(jax.random.key(1), step)
        params, state, loss, grads = update(params, state, numbers, key)
        if step == args.ulp_at:
            w = params["last"]["w"]
            params["last"]["w"] = w.at[3, 0].set(jnp.nextafter(w[3, 0], jnp.inf))
        record.step(loss, params=params, grads=grads, batch=batch, keys=key)
        if args.checkpoint and step % 3 == 0:
            record.flush()
            saved = jax.tree.map(np.asarray, (params, state, step))
            Path(args.checkpoint).write_bytes(pickle.dumps(saved))
        if step == args.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
    record.finish(ssim=0.5)


if __name__ == "__main__":
    main()
