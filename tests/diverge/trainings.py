"""A training of PyTorch that is traced, and causes planted in it."""

import torch

from mrjax.recorder import Recorder

WOBBLE = {"forward": False, "backward": False}
STEP = 3
"""The step that is traced."""


class Wobbly(torch.autograd.Function):
    """Adds in an order of its own: equal inputs, results that may differ in the last place."""

    @staticmethod
    def forward(ctx, x):
        return torch.ops.planted.wobbly(x, "forward")

    @staticmethod
    def backward(ctx, grad):
        return torch.ops.planted.wobbly(grad, "backward")


@torch.library.custom_op("planted::wobbly", mutates_args=())
def wobbly(x: torch.Tensor, phase: str) -> torch.Tensor:
    return torch.nextafter(x, torch.full_like(x, 9.0)) if WOBBLE[phase] else x.clone()


class Scale(torch.nn.Module):
    """Computes x / (1 + exp(-x)) in one of two ways, which round differently."""

    def __init__(self, fused):
        super().__init__()
        self.fused = fused

    def forward(self, x):
        return torch.nn.functional.silu(x) if self.fused else x * torch.sigmoid(x)


class Network(torch.nn.Module):
    def __init__(self, dropout=0.0, fused=None):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 2, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(2)
        self.drop = torch.nn.Dropout(dropout)
        self.up = torch.nn.Upsample(scale_factor=2, mode="bilinear")
        self.scale = torch.nn.Identity() if fused is None else Scale(fused)
        self.last = torch.nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.last(self.scale(self.up(Wobbly.apply(self.drop(x)))))


def train(
    folder, *, rate=1e-2, dropout=0.0, seed=0, batch_at=0, ulp_at=0, extra=False, wobble="",
    rate_at=0, threads=0, metric=0.0, fused=None, trace_at=(STEP,), values_of=(), steps=4,
    make=torch.optim.SGD, order=None,
):  # fmt: skip
    """Train a few steps and return the run folder; each argument plants one cause."""
    torch.manual_seed(0)
    model = Network(dropout, fused)
    optimizer = make(model.parameters(), rate)
    record = Recorder(
        folder, model, optimizer, leaves=True, trace_at=trace_at, values_of=values_of
    )  # fmt: skip
    torch.manual_seed(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    for step in range(1, steps + 1):
        chosen = step >= STEP
        WOBBLE.update({name: chosen and wobble == name for name in WOBBLE})
        if step == rate_at:
            optimizer.param_groups[0]["lr"] *= 1.5
        place = order[step - 1] if order else 1
        image = torch.linspace(0, place, 64).reshape(1, 1, 8, 8) * (2 if step == batch_at else 1)
        optimizer.zero_grad()
        loss = model(image).square().mean()
        for start in range(6 if threads else 0):  # torch divides long sums among threads
            numbers = torch.linspace(start, 9, 300_007)
            loss = loss + torch.sin(1e4 * numbers).sum() * 1e-3
        if extra and step == STEP:
            loss = loss + 0 * loss
        loss.backward()
        optimizer.step()
        if step == ulp_at:
            with torch.no_grad():
                weight = model.last.weight.view(-1)
                weight[0] = torch.nextafter(weight[0], torch.tensor(9.0))
        record.step(loss, image)
        record.metrics(ssim=0.5 + step / 16 + (metric if step >= STEP else 0.0))
    torch.set_num_threads(before)
    record.finish()
    return folder
