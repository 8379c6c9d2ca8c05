"""Order-free arithmetic: sums and products that no order of computing can change."""
