"""Strictness for every test: shapes and types checked at run time, no implicit promotion, warnings are errors."""

from jaxtyping import install_import_hook

install_import_hook("recurrent_memory", "beartype.beartype")
