"""The disk is smaller than wanted."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The disk is smaller than wanted."""
    if "disk_small" not in (facts.system.get("states") or []):
        return None
    return Finding(
        WARNING,
        "The disk has less than the 4 GB that are wanted: there is little room for recordings.",
        "Calls go on. Keep recordings for fewer days, or have the disk replaced by a larger one.",
    )
