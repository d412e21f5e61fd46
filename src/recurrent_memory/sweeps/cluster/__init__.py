"""Sweeps on clusters: one folder for each scheduler."""
