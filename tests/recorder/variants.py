"""Ways in which people train: each is a few updates of a tiny network, recorded or not.

python variants.py FOLDER KIND    four trainings, as tests/recorder/test_variants.py compares them
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import l1_loss, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from mrjax.recorder import Recorder

STEPS = 6


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Conv2d(4, 1, 3, padding=1),
    )


def plain(model, optimizer, batch, called=None):
    optimizer.zero_grad()
    loss = mse_loss((called or model)(batch), batch)
    loss.backward()
    optimizer.step()
    return loss


def autocast():
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def update(batch):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = mse_loss(model(batch).float(), batch)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, update


def scaled(enabled):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    scaler = torch.amp.GradScaler("cpu", enabled=enabled)

    def update(batch):
        optimizer.zero_grad()
        loss = mse_loss(model(batch), batch)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return model, optimizer, update


def lbfgs():
    model = network()
    optimizer = torch.optim.LBFGS(model.parameters(), 1e-1, max_iter=3)

    def update(batch):
        def closure():
            optimizer.zero_grad()
            loss = mse_loss(model(batch), batch)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return model, optimizer, update


def clipped():
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)

    def update(batch):
        optimizer.zero_grad()
        loss = mse_loss(model(batch), batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e-2)
        optimizer.step()
        return loss

    return model, optimizer, update


def accumulated():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9)

    def update(batch):
        optimizer.zero_grad()
        losses = [mse_loss(model(part), part) / 4 for part in batch.split(1)]
        for loss in losses:
            loss.backward()
        optimizer.step()
        return sum(losses)

    return model, optimizer, update


def compiled():
    torch._dynamo.reset()
    model = network()
    called = torch.compile(model, backend="aot_eager")
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return called, optimizer, lambda batch: plain(model, optimizer, batch, called)


def averaged():
    model = network()
    mean = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def update(batch):
        loss = plain(model, optimizer, batch)
        mean.update_parameters(model)
        return loss

    return nn.ModuleDict({"model": model, "mean": mean}), optimizer, update


def grouped():
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 1e-1}, {"params": model[4].parameters()}]
    optimizer = torch.optim.SGD(groups, 1e-2, momentum=0.9)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def update(batch):
        loss = plain(model, optimizer, batch)
        schedule.step()
        return loss

    return model, optimizer, update


def tied():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
    model[3].weight = model[1].weight
    model.append(nn.Unflatten(1, (1, 8, 8)))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    return model, optimizer, lambda batch: plain(model, optimizer, batch)


def frozen():
    model = network()
    model[0].requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    return model, optimizer, lambda batch: plain(model, optimizer, batch)


def terms():
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def update(batch):
        optimizer.zero_grad()
        made = model(batch)
        found = {"mse": mse_loss(made, batch), "l1": l1_loss(made, batch)}
        found["weights"] = sum(p.square().sum() for p in model.parameters())
        loss = found["mse"] + 0.5 * found["l1"] + 1e-4 * found["weights"]
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, update


def loaded():
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return model, optimizer, lambda batch: plain(model, optimizer, batch)


KINDS = {
    "autocast": autocast,
    "scaler_off": lambda: scaled(False),
    "scaler_on": lambda: scaled(True),
    "lbfgs": lbfgs,
    "clipped": clipped,
    "accumulated": accumulated,
    "compiled": compiled,
    "averaged": averaged,
    "grouped": grouped,
    "tied": tied,
    "frozen": frozen,
    "terms": terms,
    "loaded": loaded,
}


def batches(kind):
    """Yield batches of four images; of the kind `loaded`, from workers that live on."""
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    workers = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "fork"}
    loader = DataLoader(
        TensorDataset(images), 4, shuffle=True, **(workers if kind == "loaded" else {})
    )
    for _ in range(STEPS // 3):
        for (batch,) in loader:
            yield batch


def train(kind, folder=None, ulp_at=0):
    """Train, and return the final weights.

    Args:
        kind: of `KINDS`.
        folder: the training is recorded in; None: it is not recorded.
        ulp_at: step after which one weight is moved by one unit in the last place; 0: none.
    """
    model, optimizer, update = KINDS[kind]()
    record = Recorder(folder, model, optimizer, leaves=True) if folder else None
    for step, batch in enumerate(batches(kind), 1):
        loss = update(batch)
        if step == ulp_at:
            weight = next(p for p in model.parameters() if p.requires_grad and p.dim() > 1)
            with torch.no_grad():
                first = weight.view(-1)
                first[0] = torch.nextafter(first[0], torch.tensor(9.0))
        if record:
            record.step(loss, batch)
    if record:
        record.finish()
    return {name: leaf.detach().clone() for name, leaf in model.state_dict().items()}


def four(folder, kind):
    """Train twice with a record, once without, once with a changed weight; compare the weights."""
    torch.set_num_threads(1)  # the networks are tiny, and threads wait in a loop
    first = train(kind, folder / "a")
    for other in (train(kind, folder / "b"), train(kind)):
        assert first.keys() == other.keys()
        for name, leaf in first.items():
            assert torch.equal(leaf, other[name]), name
    train(kind, folder / "ulp", ulp_at=3)


if __name__ == "__main__":
    four(Path(sys.argv[1]), sys.argv[2])
