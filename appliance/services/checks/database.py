"""The database cannot be opened."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The database cannot be opened."""
    if not facts.database_problem:
        return None
    return Finding(
        ERROR,
        "The database cannot be used: %(problem)s",
        "Calls go on and their records are kept. If it does not come back by itself, restore the "
        "newest backup; calls since then come back from their copies.",
        {"problem": facts.database_problem},
        facts.database_since or None,
        "restore_newest",
    )
