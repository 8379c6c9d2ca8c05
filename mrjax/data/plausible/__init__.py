"""Whether data make sense: the one place where every format's arrays and headers are asked.

A function here is silent where all is well, adds a note to the `mrjax.data.intake.Intake` where it
made a choice, and refuses where no choice is safe; a refusal that a user may overrule goes through
`Intake.doubt`.
"""
