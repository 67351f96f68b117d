"""Recordings that should be gone cannot be deleted."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """Recordings that should be gone cannot be deleted."""
    if not facts.retention_problems:
        return None
    return Finding(
        WARNING,
        "Old recordings cannot be deleted: %(problems)s",
        "They are tried again every hour. If this stays, restart the box so that its disk is checked.",
        {"problems": joined(facts.retention_problems[:3])},
    )
