"""Where two trainings part: the first step, and the first operation in it that differs."""
