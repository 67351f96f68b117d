"""The call engine does not answer."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The call engine does not answer."""
    if facts.engine.get("up", True) or facts.now - facts.started_at < GRACE_S:
        return None
    return Finding(
        ERROR,
        "The call engine is not connected: %(problem)s",
        "It is started again by itself. If calls do not work, restart the box and send a support bundle.",
        {"problem": facts.engine.get("problem", "")},
        facts.engine.get("since"),
    )


GRACE_S = 30.0
"""The engine may take this long to come up."""
