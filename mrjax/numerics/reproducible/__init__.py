"""Order-free arithmetic: results that depend on the operands, and on nothing that computes them.

**Why results differ.** Floating-point addition rounds, so its result depends on the order. Thread
counts, vector widths, the choice among convolution algorithms, atomics and the number of devices
all change the order. Besides, compilers fuse a multiplication with an addition where the hardware
can, replace divisions by reciprocals, and call libraries whose exponentials differ in the last bit.

**Sums.** Of the terms of a sum the largest magnitude is found, as an integer maximum of bit
patterns, which has no order. It fixes a grid, the multiples of a power of two; each term is
rounded to it. The terms are then integers times one power of two, and integers add exactly in any
order and in any groups while no partial sum leaves the range in which they are exact:

- sums (:func:`sums.exact_sum`) are of 64-bit integers, n 2^B <= 2^62 and B <= 51 bits;
- sums of products (:func:`sums.exact_dot`, convolutions, transforms) are of float64 integers. K
  products of b and b' bits stay exact while b + b' + ceil(log2 K) <= 53. Then any library, tiling
  or fused multiply-add returns the same number, because no operation rounds;
- more than 2^13 products are cut into blocks by the shape alone. A block's exact sum is rounded to
  a grid coarser by the number of blocks (:func:`grid.coarsen`); these add exactly again.

Grids are no larger than what is summed: a transform has one for each line, a convolution for each
sample, so a prediction does not change with its neighbours in the batch; weight gradients and
batch statistics have one for each channel over all devices.

**Single steps.** Numbers travel as float32 and each step is computed in float64, then rounded to
24 bits. For + - * / and the square root this is the IEEE float32 operation, since 53 >= 2 * 24 + 2
makes the first rounding innocuous. Products of float32 numbers are exact in float64, so fusing one
with an addition changes nothing. The rounding is XLA's ``reduce_precision``: a cast to float32 and
back is deleted on GPUs. Quotients and roots stand behind an optimisation barrier, against
reciprocals. Inside functions, a product that is not exact loses its last bit before it is added
to anything (:func:`rounding.sealed`), which no fused operation can imitate. Exponentials are
polynomials of such steps; there is no call of a library's function.

**Gradients** are given by hand for every operation, by the same rules, because a derivative that
JAX makes sums and multiplies as it likes: broadcasting is an operation whose gradient is an exact
sum. What remains for JAX are additions of two rounded float32 numbers, where a value has two uses;
of more uses they are added here (:func:`elementwise.copies`), because a subnormal sum is flushed
before the next addition on one device and not on another.

**Errors.** With M the power of two above the largest magnitude of a grid (one for each factor):

========================  ========================================================================
+ - * / sqrt              1/2 unit in the last place; each part of a complex product of float32
                          numbers is a float64 sum of two exact products, rounded
sum of n terms            n 2^-(B + 1) M with B = 62 - ceil(log2 n), at most 51; one rounding
K products                K 2^-b M M' with b = (53 - ceil(log2 k)) // 2 for the k products of a
                          block; one rounding. At least 20 bits, because k <= 2^13, but for windows
                          of more places and for the kernel gradients of planes of more voxels, of
                          which each is a block (192 x 192: 19 and 18 bits; 512 x 512: 18 and 17).
                          Typically the square root of K instead of K. K = 216: 22 bits; TF32 has
                          11, bfloat16 8
transform of n points     sqrt(n) 2^(1 - b) M with b = (52 - ceil(log2 n)) // 2; one rounding
sigmoid                   0.51 units in the last place (tested at 4 * 10^5 points)
Gaussian sums             2^-28 of the sum of magnitudes of the terms; one rounding. Gradients: see
                          :func:`rbf.rbf`
batch normalisation       each step rounded; gradients: see :func:`layers.batch_norm`
========================  ========================================================================

The errors are relative to the largest magnitude, not to each: a feature 2^-20 below the largest of
its grid is not seen by a convolution. For images that is below their noise.

**Special values.** Subnormal float32 numbers are zeros, as operands and as results (what is below
2^-126 after rounding to 24 bits). A sum that is zero is +0. Overflow gives infinity, and a function
that would hide one (sigmoid, Gaussians, a scale to divide by) NaN: a run ends at the first tensor
that is not finite. Results have one bit pattern for NaN. NaN or infinity on a grid makes every
result on this grid NaN, in whatever order it is met.

**What could break it.**

- A product that is not a sum of products: Fourier or Winograd convolutions, float64 emulated in
  fewer bits. Every run tries its first device first, at one shape of each operation
  (:mod:`check`); convolutions are matrix products off the CPU.
- A compiler told to be unsafe (``--xla_cpu_enable_fast_math``, reassociation), one that sees
  through ``reduce_precision`` or a barrier, or a rounding mode that is not to nearest.
- An operation past the arithmetic, or one in it that breaks its rules: a test walks the graph of
  every training step for both.
- Data made on the host by functions that depend on it: see :mod:`mrjax.numerics.host`.
- Other shapes: blocks follow the shape, so a sum of products of more than 2^13 terms is not, to the
  last bit, that of the same numbers in another layout. And another batch is another training.

Shown so far on CPUs: SSE4.2, AVX, AVX2 and AVX-512, one and two threads, one to four devices, both
forms of convolution, two versions of jax (tests/numerics/reproducible/test_bits.py; whole
trainings: experiments/results/prove).

Source: Demmel and Nguyen, "Fast reproducible floating-point summation", ARITH 2013 (grids); Ozaki,
Ogita, Oishi and Rump, Numer Algorithms 59:95 (2012) (exact products by splitting); Figueroa, "When
is double rounding innocuous?", SIGNUM Newsletter 30 (1995).
"""

from mrjax.numerics.reproducible.arithmetic import Reproducible

__all__ = ["Reproducible"]
