"""A backup that is damaged, or was never proved."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """A backup that is damaged, or was never proved."""
    bad = [one["name"] for one in facts.backups if one["problem"]]
    unproved = [one["name"] for one in facts.backups if not one["problem"] and not one["verified_at"]]
    if not bad and not unproved:
        return None
    return Finding(
        WARNING,
        "Backups that cannot be relied on: %(names)s",
        "Verify them; delete those that are damaged and make a new one.",
        {"names": joined([*bad, *unproved][:5])},
        None,
        "verify_backups",
    )
