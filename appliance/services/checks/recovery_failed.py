"""Recovery was ordered and does not come up."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """Recovery was ordered and does not come up."""
    if "recovery_failed" not in (facts.system.get("states") or []):
        return None
    return Finding(
        ERROR,
        "The recovery system was ordered and did not come up in three starts, so the box runs as before.",
        "What was ordered waits for the recovery stick: start the box from it. Or give the order up here.",
        repair="forget_recovery",
    )
