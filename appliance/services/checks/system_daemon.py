"""The system daemon of the flashed box does not answer."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The system daemon of the flashed box does not answer."""
    if not facts.system_problem:
        return None
    return Finding(
        ERROR,
        "The system service does not answer: %(problem)s",
        "Calls go on. Network, time, updates and remote support cannot be changed, and what it watches is "
        "not told here. It is started anew by itself; if this stays, restart the box.",
        {"problem": facts.system_problem},
    )
