"""What recovery will not do, and why."""

from __future__ import annotations


class Refused(Exception):
    """Nothing was changed. code: for programs; text: English, the menu translates by code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
