"""Call records wait to be stored."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """Call records wait to be stored."""
    waiting = int(facts.records.get("waiting", 0))
    if waiting < MANY and not facts.records.get("problem"):
        return None
    return Finding(
        WARNING,
        "%(count)s call records wait to be stored: %(problem)s",
        "None is lost; they are stored as soon as the database takes them.",
        {"count": waiting, "problem": facts.records.get("problem") or "–"},
    )


MANY = 20
"""So many may be on their way in a busy minute."""
