"""Synthetic subjects, drawn from keys, the same bytes on every machine."""
