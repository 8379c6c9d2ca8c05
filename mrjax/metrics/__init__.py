"""Image quality against a reference, as fractions or dB (float64, numpy and scipy).

`norms` has errors (NRMSE, PSNR, HFEN), `similarity` the structural similarities (SSIM, XSIM for
susceptibility maps, SSIM as fastMRI computes it), `overlap` the Dice coefficient of masks.
"""

from mrjax.metrics.norms import hfen, nrmse, psnr
from mrjax.metrics.overlap import dice
from mrjax.metrics.similarity import ssim, ssim_fastmri, xsim

__all__ = ["dice", "hfen", "nrmse", "psnr", "ssim", "ssim_fastmri", "xsim"]
