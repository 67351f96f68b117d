"""The clock has not been set."""

from __future__ import annotations

from appliance.services.checks.model import CLOCK_SET_S, WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The clock has not been set."""
    unset = bool(facts.system.get("time", {}).get("unset")) or facts.now < CLOCK_SET_S
    if not unset:
        return None
    return Finding(
        WARNING,
        "The clock has not been set: calls and backups get wrong times.",
        "Set the time by hand or give the box a time server; if it forgets it after every power cut, "
        "its battery is empty.",
    )
