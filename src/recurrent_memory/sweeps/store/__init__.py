"""The store of a sweep: what is done, who is working on the rest, and the identity of each network."""
