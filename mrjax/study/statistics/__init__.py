"""Statistics of a study: pure functions of numpy arrays, frozen records as results.

Bit-identity (`identity`) comes before any test. Then come three questions, which are never mixed:
do two given networks differ over subjects (`subjects`), does a source shift the mean of runs
(`means`, `equivalence`), does it change their spread (`spread`, `images`). `shares` splits the
variance of a crossed design, `medians` makes the table of Monte Carlo repetitions, `sizes` says how
many runs a study needs, `multiple` corrects for many sources.

Every result says what it counted (``n``, ``unit``) and which test it made; a number that does not
exist is None, never nan. What is drawn at random takes a generator (`common.generator`).
"""
