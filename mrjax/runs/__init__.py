"""The run folder: the whole interface between training and everything that judges trainings.

Nothing here imports JAX, so studies and reports read runs at once, and a program in another
language or framework can write a run folder that they accept. What it has to write:

``config.json``
    ``{"schema_version": 1, "digest": <64 hex digits>, "config": {<name>: <value>, ...}}``.
    Two runs with one ``digest`` had the same settings. See `mrjax.runs.folder`.
``environment.json``
    Software, hardware and code of the run. See `mrjax.runs.environment`.
``ledger.jsonl``
    One line of digests a training step. See `mrjax.runs.ledger`, and `mrjax.runs.digests` for
    the two kinds of digest, with test vectors.
``result.json``
    Written last, in one rename: a run is finished if and only if it exists.
    See `mrjax.runs.result`.

Optional: ``flags.txt`` (command line to repeat the run; mrjax always writes it, and a folder that
has it is taken for mrjax's own, with a ledger and its own place in ``config``), ``timing.jsonl``
(one JSON object a line with ``step``; free otherwise), ``checkpoints/``, ``images/`` (PNG, for
people), ``predictions/`` (NIfTI or HDF5, for programs). Text is UTF-8, JSON has no NaN.
"""
