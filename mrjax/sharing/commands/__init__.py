"""Commands of ``python -m experiments.network`` about trained networks; each is quick to import."""
