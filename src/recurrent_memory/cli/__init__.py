"""Words → the functions of the package; no logic of its own."""
