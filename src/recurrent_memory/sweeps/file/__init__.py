"""The file of a sweep: its content, the values of its axes, its conditions, and the lines of mistakes in it."""
