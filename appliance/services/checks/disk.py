"""The disk is filling up."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The disk is filling up."""
    level = facts.disk.get("level")
    if level == "unknown":
        return Finding(
            ERROR,
            "The disk cannot be measured: %(problem)s",
            "Restart the box; if this stays, have the disk checked.",
            {"problem": facts.disk.get("problem", "")},
        )
    if level == "read_only":
        return Finding(
            ERROR,
            "The disk takes nothing any more: calls go on, but nothing is stored.",
            "Restart the box, so that the disk is checked. If it happens again, have the disk replaced.",
        )
    if level not in ("warn", "alarm"):
        return None
    return Finding(
        ERROR if level == "alarm" else WARNING,
        "The disk is %(percent)s %% full, %(free_gb)s GB are free.",
        "Remove old recordings or backups, or keep recordings for fewer days. When it is nearly full, "
        "recording stops so that calls go on.",
        {
            "percent": round(facts.disk.get("used_percent", 0)),
            "free_gb": round(facts.disk.get("free_bytes", 0) / 1e9, 1),
        },
        None,
        "free_recordings",
    )
