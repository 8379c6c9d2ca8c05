"""The run folder: the whole interface between training and everything that judges trainings.

``README.md`` in this folder lists every file of a run folder and every field in it.

Nothing here imports JAX, so studies and reports read runs at once, and a program in another
language or framework can write a run folder that they accept. Such a program has to write:

``config.json``
    The settings, and their digest: two runs with the same digest had the same settings.
``environment.json``
    Software, hardware and code of the run. See `mrjax.runs.environment`.
``ledger.jsonl``
    One line of digests for each training step. See `mrjax.runs.ledger`, and `mrjax.runs.digests`
    for the two kinds of digest, with test vectors.
``result.json``
    What the run found. It is written last, in one rename, so a run is finished if and only if this
    file exists. See `mrjax.runs.result`.

All other files are optional. A folder that has ``flags.txt``, which mrjax always writes, is taken
for mrjax's own: a ledger, and its own place in ``config``, are then expected in it. Text is UTF-8;
JSON holds no NaN.
"""
