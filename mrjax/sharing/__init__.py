"""Trained networks from and for other people."""
