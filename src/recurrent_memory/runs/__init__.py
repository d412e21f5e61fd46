"""One experiment and its way to a result: the stages in order, checkpoints, many at a time, files."""
