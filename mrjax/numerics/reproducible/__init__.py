"""Order-free arithmetic: results that depend on the operands only, not on the machine.

**Why results differ.** Floating-point addition rounds, so its result depends on the order. Thread
counts, vector widths, the choice among convolution algorithms, atomics and the number of devices
all change the order. Besides, compilers fuse a multiplication with an addition where the hardware
can, replace divisions by reciprocals, and call libraries whose exponentials differ in the last bit.

**Sums.** The largest magnitude among the terms of a sum is found first, as an integer maximum of
bit patterns, which does not depend on the order. It fixes a grid, the multiples of a power of two,
to which each term is rounded. The terms are then integers times one power of two. Integers add
exactly in any order and in any groups, while no partial sum leaves the range of exact integers:

- a sum (:func:`sums.exact_sum`) adds 64-bit integers, with n 2^B <= 2^62 and B <= 51 bits;
- a sum of products (:func:`sums.exact_dot`, convolutions, transforms) adds float64 integers. K
  products of b and b' bits stay exact while b + b' + ceil(log2 K) <= 53. Then any library, tiling
  or fused multiply-add returns the same number, because no operation rounds;
- more than 2^13 products are cut into blocks by the shape alone. A block's exact sum is rounded to
  a grid coarser by the number of blocks (:func:`grid.coarsen`); the rounded sums add exactly again.

A grid covers no more numbers than one result needs. A transform has a grid for each line, and a
convolution one for each sample, so that a prediction does not change with its neighbours in the
batch; weight gradients and batch statistics have one for each channel over all devices.

**Single steps.** Numbers travel as float32; each step is computed in float64, then rounded to
24 bits. For + - * / and the square root this is the IEEE float32 operation, since 53 >= 2 * 24 + 2
makes the first rounding innocuous. Products of float32 numbers are exact in float64, so fusing one
with an addition changes nothing. XLA's ``reduce_precision`` does the rounding, because XLA deletes
a cast to float32 and back on GPUs. Quotients and roots stand behind an optimisation barrier, which
keeps XLA from using reciprocals. Inside functions, a product that is not exact loses its last bit
before it is added to anything (:func:`rounding.sealed`), which no fused operation can imitate.
Exponentials are polynomials of such steps; no library's function is called.

**Gradients** are written by hand for every operation and obey the same rules, because JAX's own
derivatives sum and multiply in an order of their own. Broadcasting, for instance, is an operation
whose gradient is an exact sum. JAX itself only adds two rounded float32 numbers, where a value has
two uses. Gradients of more uses are added here (:func:`elementwise.copies`), because one device
flushes a subnormal sum before the next addition and another does not.

**Errors.** With M the power of two above the largest magnitude of a grid (one for each factor):

========================  ========================================================================
+ - * / sqrt              1/2 unit in the last place; each part of a complex product of float32
                          numbers is a float64 sum of two exact products, rounded
sum of n terms            n 2^-(B + 1) M with B = 62 - ceil(log2 n), at most 51; one rounding
K products                K 2^-b M M' with b = (53 - ceil(log2 k)) // 2 for the k products of a
                          block; one rounding. b is at least 20, because k <= 2^13, except for
                          windows of more places and for kernel gradients of planes of more voxels,
                          where each plane is a block (192 x 192: 19 and 18 bits; 512 x 512: 18 and
                          17). The error is typically sqrt(K) instead of K times 2^-b M M'. For
                          K = 216 b is 22; TF32 has 11 bits, bfloat16 8
transform of n points     sqrt(n) 2^(1 - b) M with b = (52 - ceil(log2 n)) // 2; one rounding
sigmoid                   0.51 units in the last place (tested at 4 * 10^5 points)
Gaussian sums             2^-28 of the sum of magnitudes of the terms; one rounding. Gradients: see
                          :func:`rbf.rbf`
batch normalisation       each step rounded; gradients: see :func:`layers.batch_norm`
========================  ========================================================================

The errors are relative to the largest magnitude of the grid, not to each number: a convolution
does not see a feature that is 2^-20 below the largest one. In images that is below the noise.

**Special values.** Subnormal float32 numbers are zeros, as operands and as results (a result is
subnormal if it is below 2^-126 after rounding to 24 bits). A sum that is zero is +0. Overflow gives
infinity. A function that would hide an infinity (sigmoid, Gaussians, a scale to divide by) gives
NaN, and a run ends at the first tensor that is not finite. Results have one bit pattern for NaN.
NaN or infinity on a grid makes every result on this grid NaN, in whatever order it is met.

**What could break it.**

- A library that computes no sum of products: Fourier or Winograd convolutions, float64 emulated in
  fewer bits. Every run first tries its first device, at one shape of each operation
  (:mod:`check`); convolutions are matrix products on every device but the CPU.
- A compiler told to be unsafe (``--xla_cpu_enable_fast_math``, reassociation), a compiler that sees
  through ``reduce_precision`` or a barrier, or a rounding mode that is not to nearest.
- A network that computes past the arithmetic, or an operation of it that breaks the rules: a test
  walks the graph of every training step and looks for both.
- Data made on the host by functions that depend on the host: see :mod:`mrjax.numerics.host`.
- Other shapes: the shape determines the blocks, so a sum of more than 2^13 products of the same
  numbers in another layout may differ in the last bit. And another batch is another training.

Equal bits have been shown on CPUs with SSE4.2, AVX, AVX2 and AVX-512, with one and two threads, one
to four devices, both forms of convolution and two versions of jax
(tests/numerics/reproducible/test_bits.py; whole trainings: experiments/results/prove).

Source: Demmel and Nguyen, "Fast reproducible floating-point summation", ARITH 2013 (grids); Ozaki,
Ogita, Oishi and Rump, Numer Algorithms 59:95 (2012) (exact products by splitting); Figueroa, "When
is double rounding innocuous?", SIGNUM Newsletter 30 (1995).
"""

from mrjax.numerics.reproducible.arithmetic import Reproducible

__all__ = ["Reproducible"]
