"""Sums of Gaussians on equidistant nodes as PyTorch functions with their own gradients.

phi(x) = sum over j of w_j exp(-(x - mu_j)^2 / (2 s^2)), with nodes mu_j at the distance s.
``NodeByNode`` goes through the nodes one by one and keeps the derivative, as the public VarNet code
does. ``CheapRbf`` needs two exponentials for eight nodes, like :mod:`mrjax.numerics.native.rbf`.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mrjax.numerics.native import rbf as segments


class NodeByNode(Function):
    """The sum, computed one node after the other."""

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
        """Return the gradients with respect to x and w."""
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
    """The same sum by polynomials in exp(d) and exp(-d), in place; only x and w are kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, low: float, high: float) -> Tensor:
        """Return the activation of (b, F, row, column) with weights (1, F, 1, 1, n)."""
        ctx.save_for_backward(x, w)
        ctx.range = low, high
        total = torch.zeros_like(x)
        for segment, d in _segments(x, w, low, high):
            gauss = torch.exp(-0.5 * d * d)
            total.addcmul_(gauss, _polynomial(torch.exp(d), _scaled(w, segment)))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients with respect to x and w; Gaussians are computed a second time."""
        (gradient,) = gradients
        x, w = ctx.saved_tensors
        slope, by_w = torch.zeros_like(x), []
        for segment, d in _segments(x, w, *ctx.range):
            gauss, rising = torch.exp(-0.5 * d * d), torch.exp(d)
            scaled = _scaled(w, segment)
            steep = _polynomial(rising, {k: k * c for k, c in scaled.items()})
            slope.addcmul_(gauss, steep.sub_(d.mul_(_polynomial(rising, scaled))))
            by_w += _moments(gauss.mul_(gradient), rising, segment)
        scale = (w.shape[-1] - 1) / (ctx.range[1] - ctx.range[0])
        return slope.mul_(gradient).mul_(scale), torch.stack(by_w).T.reshape(w.shape), None, None


def _segments(
    x: Tensor, w: Tensor, low: float, high: float
) -> Iterator[tuple[segments.Segment, Tensor]]:
    """Yield segments of neighbouring nodes, and d, the distance of x to their centre over s."""
    nodes = w.shape[-1]
    place = (x - (low + high) / 2) * ((nodes - 1) / (high - low))
    for segment in segments.segments(nodes):
        offset = segment.centre - (nodes - 1) / 2
        yield segment, (place - offset).clamp_(-segments.LIMIT, segments.LIMIT)


def _scaled(w: Tensor, segment: segments.Segment) -> dict[int, Tensor]:
    """Return the weights of each node times exp(-k^2 / 2), by its distance k to the centre."""
    first, centre, last = segment
    return {
        node - centre: w[..., node] * math.exp(-((node - centre) ** 2) / 2)
        for node in range(first, last + 1)
    }


def _polynomial(rising: Tensor, coefficients: Mapping[int, Tensor]) -> Tensor:
    """Return the sum over k of coefficients[k] rising^k, by Horner's rule for each sign of k."""
    total = coefficients[0].expand_as(rising).clone()
    for base, sign in ((rising, 1), (rising.reciprocal(), -1)):
        powers = sorted((abs(k) for k in coefficients if k * sign > 0), reverse=True)
        if powers:
            part = base * coefficients[sign * powers[0]]
            for k in powers[1:]:
                part.add_(coefficients[sign * k]).mul_(base)
            total += part
    return total


def _moments(weighted: Tensor, rising: Tensor, segment: segments.Segment) -> list[Tensor]:
    """Return the sums over pixels of weighted rising^k exp(-k^2 / 2), node after node."""
    first, centre, last = segment
    found = {}
    for base, sign, reach in (
        (rising, 1, last - centre),
        (rising.reciprocal(), -1, centre - first),
    ):
        term = weighted.clone()
        for k in range(reach + 1):
            found[sign * k] = term.sum(dim=(0, 2, 3)) * math.exp(-k * k / 2)
            term.mul_(base)
    return [found[k] for k in range(first - centre, last - centre + 1)]
