"""The data partition cannot be used; the box works from memory."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The data partition cannot be used; the box works from memory."""
    states = facts.system.get("states") or []
    if "data_unreadable" not in states and "data_missing" not in states:
        return None
    return Finding(
        ERROR,
        "The data partition cannot be read: calls go on with the last settings, but nothing is stored.",
        "It was not made anew. Restart the box; if this stays, replace the disk and restore a backup in "
        "the recovery system, or reset the box there, which makes the partition anew.",
    )
