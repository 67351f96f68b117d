"""There is no backup."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """There is no backup."""
    if any(not one["problem"] for one in facts.backups):
        return None
    return Finding(
        WARNING,
        "There is no backup of this box.",
        "Make one now, and copy it to a USB stick that is kept elsewhere.",
        {},
        None,
        "make_backup",
    )
