"""What can go wrong with a backup: a code for programs, a sentence for people."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was changed. `code` is one of the keys of webui's table of them."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
