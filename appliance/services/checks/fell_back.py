"""The box went back to its older version."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, WARNING, Facts, Finding

STATE_LOST = "boot_state_lost"


def look(facts: Facts) -> Finding | None:
    """The box went back to its older version."""
    told = facts.system.get("fell_back")
    if not told:
        return None
    if told.get("reason") == STATE_LOST:
        return Finding(
            WARNING,
            "Version %(version)s is not the one that runs: both copies of the boot state were lost, and with "
            "them which version comes first.",
            "Calls work. Restart the box: version %(version)s comes first again.",
            {"version": told.get("version", "?")},
            told.get("at"),
            "dismiss_fall_back",
        )
    return Finding(
        ERROR,
        "Version %(version)s did not become healthy, so the box went back to the one before: %(reason)s",
        "Calls work. Send a support bundle before trying this update again.",
        {"version": told.get("version", "?"), "reason": told.get("reason") or "?"},
        told.get("at"),
        "dismiss_fall_back",
    )
