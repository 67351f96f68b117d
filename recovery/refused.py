"""What recovery will not do, and why."""

from __future__ import annotations

from recovery.plan import Plan


class Refused(Exception):
    """Nothing was changed. code: for programs; text: English, the menu translates by code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Changed(Refused):
    """What would be done is not any more what was agreed to. plan: what it would be now."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            "plan_changed",
            "what would be done has changed since it was shown; nothing was done, look at it again",
        )
        self.plan = plan
