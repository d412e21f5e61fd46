"""The compiled kernel; see kernel/module.cpp."""

forward: object
backward: object
draw: object
instruction_set: str
panel_width: int

def panels(n_units: int, /) -> list[int]:
    """Return the first unit of each panel, and the number of units."""

def set_thread_limit(number: int, /) -> int:
    """Use at most so many threads a call (0: all of XLA's); return the limit before."""
