"""How fast this is on the machine at hand, beside the machine's limit and beside others: ``python -m benchmarks``."""
