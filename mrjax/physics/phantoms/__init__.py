"""Synthetic subjects, drawn from random keys, with the same bytes on every machine."""
