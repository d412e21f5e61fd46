"""Users' own code: files that register tasks, cells and other variants, and a fingerprint that changes with them."""

from .fingerprint import fingerprint, note_source, own_files
from .importing import OwnFile, import_file, imported_files

__all__ = ["OwnFile", "fingerprint", "import_file", "imported_files", "note_source", "own_files"]
