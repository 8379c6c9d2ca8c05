"""Formats users have: axes and units are settled here, and only here."""
