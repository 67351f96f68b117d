"""Call records that the database does not take."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """Call records that the database does not take."""
    refused = facts.records.get("refused") or {}
    if not refused:
        return None
    return Finding(
        WARNING,
        "%(count)s call records make no sense and were not stored: %(calls)s",
        "They stay with the call engine. Send a support bundle to whoever looks after the box.",
        {"count": len(refused), "calls": joined(list(refused)[:5])},
    )
