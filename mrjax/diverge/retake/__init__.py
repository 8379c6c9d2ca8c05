"""One step of two of mrjax's own trainings, taken again with every result that can be seen.

``sides`` knows a run folder, ``child`` takes the step again in a process with the flags of that
run, ``comparison`` finds the first operation with equal inputs and unequal results, and
``command`` says it.
"""
