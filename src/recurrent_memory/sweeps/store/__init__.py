"""What of a sweep is done, who is doing the rest, and the name of each network."""
