"""Scripts that are copied beside exported networks."""
