"""This machine has no hardware watchdog."""

from __future__ import annotations

from appliance.services.checks.model import INFO, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """This machine has no hardware watchdog."""
    if facts.system.get("watchdog") != "":  # without a system daemon nobody has looked
        return None
    return Finding(
        INFO,
        "This computer has no hardware watchdog: if its kernel hangs, nothing restarts it.",
        "Calls work. Look in the firmware whether a watchdog can be switched on; without one somebody has to "
        "switch a box that hangs off and on.",
    )
