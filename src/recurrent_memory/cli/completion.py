"""Tab completion of words with a colon in bash, such as ``bank:comp-sequential``; imported only to complete."""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string


@add_completion_class
class _Bash(BashComplete):
    """Bash, which takes a colon for a word of its own and replaces only what stands behind it."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one to complete, and that one, with its colons."""
        words = split_arg_string(os.environ["COMP_WORDS"])[: int(os.environ["COMP_CWORD"]) + 1]
        if int(os.environ["COMP_CWORD"]) >= len(words):
            words.append("")
        joined: list[str] = []
        for word in words:
            if joined and (word == ":" or joined[-1].endswith(":")):
                joined[-1] += word
            else:
                joined.append(word)
        self._kept = joined[-1].rpartition(":")[0]
        return joined[1:-1], joined[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Return the line for the shell."""
        behind = item.value.removeprefix(f"{self._kept}:") if self._kept else item.value
        return f"{item.type},{behind}"
