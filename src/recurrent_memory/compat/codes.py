"""Model codes of the published scripts; nothing heavy is imported for them."""

MODELS: dict[str, tuple[str, ...]] = {
    "basic": ("relu", "fast_weights", "orthogonal", "gru"),
    "tethered": ("relu", "orthogonal", "gru"),
    "dynamic": ("relu", "orthogonal", "gru"),
    "vardelay": ("relu", "gru"),
}
"""Names of the models in the order of their codes, which differ from script to script."""
