"""Short messages wait to be stored."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding
from appliance.services.checks.spool import MANY


def look(facts: Facts) -> Finding | None:
    """Short messages wait to be stored."""
    waiting = int(facts.messages.get("waiting", 0))
    if waiting < MANY and not facts.messages.get("problem"):
        return None
    return Finding(
        WARNING,
        "%(count)s short messages wait to be stored: %(problem)s",
        "None is lost; they are stored as soon as the database takes them.",
        {"count": waiting, "problem": facts.messages.get("problem") or "–"},
    )
