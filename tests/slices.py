"""Small multi-coil slices for tests of data, made without any phantom."""

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.physics import coils


def smooth(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Complex maps [coil row column] that vary slowly, with sum of squares one."""
    count, rows, columns = shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    places = rng.uniform(-1.5, 1.5, (count, 2))
    distance = [(y - a) ** 2 + (x - b) ** 2 + 0.3 for a, b in places]
    maps = np.stack(
        [np.exp(1j * (a + x * b)) / d for (a, b), d in zip(places, distance, strict=True)]
    )
    return maps / np.sqrt((np.abs(maps) ** 2).sum(axis=0))


def random_slice(seed: int = 0, shape: tuple[int, ...] = (3, 24, 16), **changes) -> SenseSlice:
    """A blob with noise seen by a few coils; the reference is exactly what full sampling gives."""
    rng = np.random.default_rng(seed)
    maps = smooth(shape, rng).astype(np.complex64)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[1:]), indexing="ij")
    image = (y**2 + x**2 < 0.6) * (1 + 0.3 * rng.random(shape[1:]))
    shifted = np.fft.ifftshift(maps * image, axes=(1, 2))
    spectrum = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(1, 2))
    kspace = spectrum.astype(np.complex64)
    reference = coils.combine(maps, coils.images(kspace)).astype(np.complex64)
    values = {"name": f"s{seed}", "kspace": kspace, "maps": maps, "reference": reference}
    return SenseSlice(**(values | changes))
