"""A training that knows nothing of mrjax, but for the recorder's three lines.

    python training.py --folder=DIR [--steps=8] [--die_at=5] [--dropout=0.3] ...

Run with the file recorder.py beside it, or with mrjax installed.
"""

import argparse
import os
import random
import signal
from pathlib import Path

import torch

try:
    from recorder import Recorder
except ImportError:
    from mrjax.recorder import Recorder


def network(dropout):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Dropout(dropout),
        torch.nn.Conv2d(4, 1, 3, padding=1),
    )


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--checkpoint", default="")
    parser.add_argument("--die_at", type=int, default=0)
    parser.add_argument("--ulp_at", type=int, default=0)
    args = parser.parse_args(argv)
    model = network(args.dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.rate)
    done = 0
    if args.checkpoint and Path(args.checkpoint).exists():
        saved = torch.load(args.checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        done = saved["step"]
    torch.manual_seed(args.seed + 1)
    random.seed(args.seed)
    settings = {"rate": args.rate, "dropout": args.dropout}
    record = Recorder(
        args.folder, model, optimizer, config=settings, every=args.every, steps_done=done
    )
    for step in range(done + 1, args.steps + 1):
        generator = torch.Generator().manual_seed(1000 * args.seed + step)
        batch = {"image": torch.rand(2, 1, 8, 8, generator=generator), "name": ["a", "b"]}
        optimizer.zero_grad()
        loss = (model(batch["image"]) - batch["image"]).square().mean()
        loss.backward()
        optimizer.step()
        if step == args.ulp_at:
            with torch.no_grad():
                weight = model[0].weight.view(-1)
                weight[3] = torch.nextafter(weight[3], torch.tensor(9.0))
        record.step(loss, batch)
        if args.checkpoint and step % 3 == 0:
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**saved, "step": step}, args.checkpoint)
        if step == args.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
    record.finish(ssim=0.5)


if __name__ == "__main__":
    main()
