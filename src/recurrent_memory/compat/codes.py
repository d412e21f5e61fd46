"""Model codes of the published scripts, in a module that imports nothing heavy."""

MODELS: dict[str, tuple[str, ...]] = {
    "basic": ("relu", "fast_weights", "orthogonal", "gru"),
    "tethered": ("relu", "orthogonal", "gru"),
    "dynamic": ("relu", "orthogonal", "gru"),
    "vardelay": ("relu", "gru"),
}
"""Names of the models in the order of their codes, which differ between scripts."""
