"""Short messages that the database does not take."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """Short messages that the database does not take."""
    refused = facts.messages.get("refused") or {}
    if not refused:
        return None
    return Finding(
        WARNING,
        "%(count)s short messages make no sense and were not stored: %(messages)s",
        "They stay with the call engine. Send a support bundle to whoever looks after the box.",
        {"count": len(refused), "messages": joined(list(refused)[:5])},
    )
