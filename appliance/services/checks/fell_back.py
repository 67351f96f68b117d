"""The box went back to its older version."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The box went back to its older version."""
    told = facts.system.get("fell_back")
    if not told:
        return None
    return Finding(
        ERROR,
        "Version %(version)s did not become healthy, so the box went back to the one before: %(reason)s",
        "Calls work. Send a support bundle before trying this update again.",
        {"version": told.get("version", "?"), "reason": told.get("reason") or "?"},
        told.get("at"),
        "dismiss_fall_back",
    )
