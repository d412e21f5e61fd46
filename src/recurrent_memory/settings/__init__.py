"""The base of all that users set: validated settings, and the options of registered functions and classes."""

from .base import MOST_WHOLE, SOLVED_BELOW, Settings
from .options import REQUIRED, Option, checked_options, option, options_of, plain_options_of

__all__ = [
    "MOST_WHOLE",
    "REQUIRED",
    "SOLVED_BELOW",
    "Option",
    "Settings",
    "checked_options",
    "option",
    "options_of",
    "plain_options_of",
]
