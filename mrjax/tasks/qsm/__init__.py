"""Quantitative susceptibility mapping by QSMnet."""
