"""Which callers are not let in."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.core.plan import BlockRule


def blocked_by(rules: Iterable[BlockRule], number: str, presentation: str) -> BlockRule | None:
    """The first rule that a caller falls under; None when he may come in."""
    for rule in rules:
        if rule.pattern == "withheld":
            if presentation == "withheld":
                return rule
        elif rule.pattern.endswith("*"):
            if number.startswith(rule.pattern[:-1]):
                return rule
        elif number == rule.pattern:
            return rule
    return None
