"""How files or seeds become batches.

`formats/` and `builders/` read subjects, `plausible/` asks whether they make sense, and `intake`
keeps account of them. `qsm`, `sense` and `breast` choose those of a run, `pipeline` their order.
"""
