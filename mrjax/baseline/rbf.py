"""Sums of Gaussians on equidistant nodes as PyTorch functions with their own gradients.

``NodeByNode`` goes through the nodes one by one and keeps the derivative, as the public VarNet
code does; ``CheapRbf`` makes all Gaussians of one channel at a time, small enough for the cache,
and sums them by a matrix product.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class NodeByNode(Function):
    """Sum over j of w_j exp(-(x - mu_j)^2 / (2 s^2)), s the distance of nodes; one node a turn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, low: float, high: float) -> Tensor:
        """Return the activation of (b, F, row, column) with weights (1, F, 1, 1, n)."""
        nodes = torch.linspace(low, high, w.shape[-1], dtype=x.dtype, device=x.device)
        variance = ((high - low) / (w.shape[-1] - 1)) ** 2
        total, slope = torch.zeros_like(x), torch.zeros_like(x)
        for j, node in enumerate(nodes):
            offset = x - node
            term = w[..., j] * torch.exp(-(offset**2) / (2 * variance))
            total += term
            slope -= term * offset / variance
        ctx.save_for_backward(x, slope, nodes)
        ctx.variance = variance
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients by x and by w."""
        (gradient,) = gradients
        x, slope, nodes = ctx.saved_tensors
        by_node = [
            (gradient * torch.exp(-((x - node) ** 2) / (2 * ctx.variance))).sum(
                dim=(0, 2, 3), keepdim=True
            )
            for node in nodes
        ]
        return gradient * slope, torch.stack(by_node, dim=-1), None, None


class CheapRbf(Function):
    """The same sum, the Gaussians of one channel at a time; nothing but x is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, low: float, high: float) -> Tensor:
        """Return the activation of (b, F, row, column) with weights (1, F, 1, 1, n)."""
        ctx.save_for_backward(x, w)
        ctx.range = low, high
        weights, places = w.reshape(w.shape[1], -1), _places(x, w, low, high)
        total = [
            weight @ _gaussians(t, weight)[1] for t, weight in zip(places, weights, strict=True)
        ]
        return _restore(torch.stack(total), x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients by x and by w, the Gaussians made once more."""
        x, w = ctx.saved_tensors
        low, high = ctx.range
        weights, places = w.reshape(w.shape[1], -1), _places(x, w, low, high)
        flat = gradients[0].transpose(0, 1).reshape(w.shape[1], -1)
        by_x, by_w = [], []
        for t, weight, gradient in zip(places, weights, flat, strict=True):
            offset, gauss = _gaussians(t, weight)
            by_w.append(gauss @ gradient)
            by_x.append(-(weight @ gauss.mul_(offset)) * gradient)
        scale = (w.shape[-1] - 1) / (high - low)
        return _restore(torch.stack(by_x), x) * scale, torch.stack(by_w).view_as(w), None, None


def _places(x: Tensor, w: Tensor, low: float, high: float) -> Tensor:
    """Return x in units of the node distance, the first node at zero, channel by channel."""
    return (x.transpose(0, 1).reshape(w.shape[1], -1) - low) * ((w.shape[-1] - 1) / (high - low))


def _gaussians(place: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return offsets to every node and their Gaussians, (n, positions) each."""
    nodes = torch.arange(len(weight), dtype=place.dtype, device=place.device)
    offset = place - nodes[:, None]
    return offset, (offset * offset).mul_(-0.5).exp_()


def _restore(flat: Tensor, x: Tensor) -> Tensor:
    """Undo the order by channels."""
    b, filters, *space = x.shape
    return flat.reshape(filters, b, *space).transpose(0, 1)
