"""The recovery system does not come up."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The recovery system does not come up."""
    states = facts.system.get("states") or []
    if "recovery_unfinished" in states:
        return Finding(
            ERROR,
            "The recovery system began what was ordered and did not come up again: it is half done.",
            "Start the box from the recovery stick, which finishes it.",
        )
    if "recovery_failed" in states:
        return Finding(
            WARNING,
            "The recovery system did not come up. If something was ordered from it, that was not done.",
            "Calls go on. For recovery start the box from the recovery stick.",
            repair="forget_recovery",
        )
    return None
