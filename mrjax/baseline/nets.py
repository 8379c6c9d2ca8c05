"""QSMnet and its loss in PyTorch, written for speed as an engineer would write them.

Modules carry the names of the Linen network's (``down0_0.conv`` for ``down0_0/conv``), so that
weights move between the two frameworks by a permutation of axes and nothing else.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# torch in terms of Linen: convolution (x y z i o) -> (o i x y z), transposed -> (i o x y z)
_PERMUTATIONS = {"kernel": (4, 3, 0, 1, 2), "transposed_kernel": (3, 4, 0, 1, 2)}
_NEIGHBOURS = [n for n in itertools.product((-1, 0, 1), repeat=3) if any(n)]


class Block(nn.Module):
    """Convolution, batch normalisation, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, window: int) -> None:
        """Make a block of `inputs` to `outputs` channels with a cubic window."""
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, window, padding=window // 2)
        # TensorFlow's momentum 0.99 keeps 99 % of the old average; torch counts the new part.
        self.norm = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated response of (b, c, x, y, z)."""
        return functional.leaky_relu(self.norm(self.conv(x)), 0.1, inplace=True)


class QSMnet(nn.Module):
    """The 3-D U-Net of :func:`mrjax.nets.qsmnet.qsmnet`, channels first as torch has them."""

    def __init__(
        self, width: int = 32, levels: int = 4, window: int = 5, out_features: int = 1
    ) -> None:
        """Make the network; the defaults are the publication's size.

        Args:
            width: channels of the first level, doubled at each level below.
            levels: number of poolings.
            window: edge of the cubic convolution window, odd.
            out_features: channels of the output.
        """
        super().__init__()
        self.levels = levels
        inputs = 1
        for level in range(levels):
            self._add_pair(f"down{level}", inputs, width * 2**level, window)
            inputs = width * 2**level
        self._add_pair("bottom", inputs, 2 * inputs, window)
        for level in range(levels):
            outputs = width * 2**level
            self.add_module(f"up{level}", nn.ConvTranspose3d(2 * outputs, outputs, 2, stride=2))
            self._add_pair(f"merge{level}", 2 * outputs, outputs, window)
        self.out = nn.Conv3d(width, out_features, 1)

    def _add_pair(self, name: str, inputs: int, outputs: int, window: int) -> None:
        self.add_module(f"{name}_0", Block(inputs, outputs, window))
        self.add_module(f"{name}_1", Block(outputs, outputs, window))

    def _pair(self, name: str, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}_1")(self.get_submodule(f"{name}_0")(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, 1, x, y, z), axes divisible by 2^levels, to (b, out_features, x, y, z)."""
        skips = []
        for level in range(self.levels):
            x = self._pair(f"down{level}", x)
            skips.append(x)
            x = functional.max_pool3d(x, 2)
        x = self._pair("bottom", x)
        for level in reversed(range(self.levels)):
            up = self.get_submodule(f"up{level}")(x)
            x = self._pair(f"merge{level}", torch.cat([skips[level], up], dim=1))
        return self.out(x)


def gradient_difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean |G(x) - G(y)| over interior voxels; G sums rectified differences by distance.

    Args:
        x: (b, c, x, y, z).
        y: the same shape.

    Returns:
        A scalar.

    Source: the QSMnet authors' code, Code/utils.py (gradient difference to 26 neighbours).
    """
    return (_rectified(x) - _rectified(y)).abs().mean()


def _rectified(x: Tensor) -> Tensor:
    size = x.shape[2:]
    centre = x[:, :, 1:-1, 1:-1, 1:-1]
    total = torch.zeros_like(centre)
    for neighbour in _NEIGHBOURS:
        cut = [slice(1 + o, n - 1 + o) for o, n in zip(neighbour, size, strict=True)]
        distance = sum(o * o for o in neighbour) ** 0.5
        total = total + functional.relu(x[:, :, cut[0], cut[1], cut[2]] - centre) / distance
    return total


def qsm_loss(
    prediction: Tensor,
    target: Tensor,
    field: Tensor,
    mask: Tensor,
    dipole: Tensor,
    chi_mean: float,
    chi_std: float,
) -> Tensor:
    """L1 + 0.5 model + 0.1 gradient difference, as :mod:`mrjax.losses` defines them.

    Args:
        prediction: normalised susceptibility (b, 1, x, y, z).
        target: normalised susceptibility, the same shape.
        field: local field [ppm], the same shape.
        mask: 1 inside the brain, the same shape.
        dipole: kernel (x, y, z) in FFT order, circular on the patch.
        chi_mean: mean of the susceptibility [ppm].
        chi_std: standard deviation of the susceptibility [ppm].

    Returns:
        A scalar.
    """
    chi = prediction * chi_std + chi_mean
    modelled = torch.fft.ifftn(dipole * torch.fft.fftn(chi, dim=(2, 3, 4)), dim=(2, 3, 4)).real
    model = (mask * field - mask * modelled).abs().mean()
    difference = gradient_difference(prediction, target)
    return (prediction - target).abs().mean() + 0.5 * model + 0.1 * difference


def _torch_name(path: str) -> tuple[str, str]:
    """Return torch's name of a Linen leaf, and the leaf's own last name."""
    *modules, leaf = path.split("/")
    last = "bias" if leaf == "bias" else "weight"
    return ".".join([*modules, last]), leaf


def load_weights(network: nn.Module, leaves: Mapping[str, np.ndarray]) -> None:
    """Copy Linen parameters into the torch network, exactly.

    Args:
        network: the torch network; its parameters are overwritten, running statistics are not.
        leaves: ``down0_0/conv/kernel`` and so on to arrays in Linen's axes; all of them.

    Raises:
        ValueError: if names or shapes are not those of the network.
    """
    parameters = dict(network.named_parameters())
    names = {path: _torch_name(path) for path in leaves}
    if {name for name, _ in names.values()} != set(parameters):
        different = {name for name, _ in names.values()} ^ set(parameters)
        raise ValueError(f"leaves and network do not match: {sorted(different)}")
    with torch.no_grad():
        for path, (name, leaf) in names.items():
            array = np.asarray(leaves[path])
            array = array.transpose(_PERMUTATIONS.get(leaf, range(array.ndim)))
            if array.shape != tuple(parameters[name].shape):
                raise ValueError(f"{path} has shape {array.shape}, torch {parameters[name].shape}")
            parameters[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))


def read_weights(network: nn.Module) -> dict[str, np.ndarray]:
    """Return the torch network's parameters under Linen's names and in Linen's axes.

    Args:
        network: the torch network.

    Returns:
        The dict that `load_weights` takes, bit for bit.
    """
    return dict(
        _linen_leaf(network, name, parameter) for name, parameter in network.named_parameters()
    )


def _linen_leaf(network: nn.Module, name: str, parameter: Tensor) -> tuple[str, np.ndarray]:
    module, _, last = name.rpartition(".")
    leaf = last
    if last == "weight":
        kind = network.get_submodule(module)
        leaf = {nn.Conv3d: "kernel", nn.ConvTranspose3d: "transposed_kernel"}.get(
            type(kind), "scale"
        )
    array = parameter.detach().cpu().numpy()
    array = array.transpose(np.argsort(_PERMUTATIONS.get(leaf, range(array.ndim))))
    return f"{module.replace('.', '/')}/{leaf}", np.ascontiguousarray(array)
