"""Networks of other people's packages, trained on random data; of mrjax only the recorder's lines.

python third_parties.py --network=unet --folder=DIR [--steps=30] [--seed=0] [--threads=2]
"""

import argparse

import torch

from mrjax.recorder import Recorder


def unet():
    """U-Net of fastMRI; images."""
    from fastmri.models import Unet

    return Unet(1, 1, chans=8, num_pool_layers=2, drop_prob=0.1), images


def varnet():
    """End-to-end VarNet of fastMRI: one network for the coil maps, two cascades; k-space."""
    from fastmri.models import VarNet

    return VarNet(num_cascades=2, sens_chans=4, sens_pools=2, chans=4, pools=2), kspace


def monai():
    """The same of MONAI with one cascade, made of its BasicUNets; k-space."""
    from monai.apps.reconstruction.networks.nets import coil_sensitivity_model, complex_unet
    from monai.apps.reconstruction.networks.nets.varnet import VariationalNetworkModel

    features = (4, 4, 8, 8, 16, 4)
    coils = coil_sensitivity_model.CoilSensitivityModel(features=features)
    cascade = complex_unet.ComplexUnet(features=features)
    return VariationalNetworkModel(coils, cascade, num_cascades=1), kspace


def images():
    clean = torch.rand(2, 1, 32, 32)
    return {"input": [clean + 0.1 * torch.randn_like(clean)], "target": clean}


def kspace():
    """Two coils, half of the columns: real and imaginary parts as these packages have them."""
    full = torch.fft.fft2(torch.rand(1, 2, 32, 32), norm="ortho")
    mask = (torch.rand(1, 1, 1, 32, 1) > 0.5) | (torch.arange(32)[:, None] - 16 < 4)
    measured = torch.view_as_real(full) * mask
    target = torch.fft.ifft2(full, norm="ortho").abs().square().sum(1).sqrt()
    return {"input": [measured, mask], "target": target, "full": full, "slice": ["a", 7, None]}


NETWORKS = {"unet": unet, "varnet": varnet, "monai": monai}


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--trace_at", type=int, nargs="*", default=[])
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model, draw = NETWORKS[args.network]()
    model.unused = torch.nn.Linear(2, 2)  # its gradients stay None
    if args.seed >= 0:
        torch.manual_seed(args.seed)
    else:
        torch.seed()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    record = Recorder(args.folder, model, optimizer, trace_at=args.trace_at)
    for _ in range(args.steps):
        batch = draw()
        optimizer.zero_grad()
        loss = torch.nn.functional.l1_loss(model(*batch["input"]), batch["target"])
        loss.backward()
        optimizer.step()
        record.step(loss, batch)
    record.finish()
    return model


if __name__ == "__main__":
    main()
