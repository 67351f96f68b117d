"""The disk says that it is failing."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """The disk says that it is failing."""
    bad = [one for one in facts.smart.get("disks", []) if one.get("passed") is False or one.get("worn")]
    if not bad:
        return None
    return Finding(
        ERROR,
        "The disk reports that it is failing: %(disks)s",
        "Make a backup with recordings to a USB stick now, then have the disk replaced.",
        {"disks": joined(f"{one.get('model', '?')} {one.get('reason', '')}".strip() for one in bad)},
        None,
        "make_backup",
    )
