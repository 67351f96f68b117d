"""What can go wrong with a backup: a code for programs, a sentence for people."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was changed. `code` is one of the keys of webui's table of them; detail: what another system
    said, for where no words of ours tell more."""

    def __init__(self, code: str, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.detail = detail

    def as_dict(self) -> dict[str, str]:
        """For pages: {code, text, detail}."""
        return {"code": self.code, "text": str(self), "detail": self.detail}
