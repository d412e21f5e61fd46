"""Comparison with the paper's published code, number by number."""
