"""How subjects are divided into those to train on and those held out."""

from mrjax.arrays import QsmSubject

Split = tuple[list[QsmSubject], list[QsmSubject]]
"""(training, held-out) subjects."""

# Held-out brains have indices of their own, so that --n_train leaves the test set alone.
FIRST_TEST_INDEX = 1 << 20
