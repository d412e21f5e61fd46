"""The store of a sweep: results, who is working on the rest, and the identity of each network."""
