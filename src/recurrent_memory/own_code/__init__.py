"""Code of one's own: files that register tasks, cells and other variants, and how a change in them is noticed."""

from .fingerprint import fingerprint, note_source, own_files
from .importing import OwnFile, import_file

__all__ = ["OwnFile", "fingerprint", "import_file", "note_source", "own_files"]
