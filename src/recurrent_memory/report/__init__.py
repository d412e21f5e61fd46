"""The results of a sweep, a run or a study as one HTML file that needs no network."""
