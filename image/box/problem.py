"""What can be told to a user: a code that the pages translate, its parameters, and an English sentence."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """Something the user can mend or has to know. `field` is the input that is wrong, where it is one."""

    def __init__(self, code: str, text: str, field: str = "", **params: Any) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.field = field
        self.params = params

    def as_dict(self) -> dict[str, Any]:
        """For the wire and for histories."""
        found: dict[str, Any] = {"code": self.code, "message": self.text, "params": self.params}
        return found | ({"field": self.field} if self.field else {})
