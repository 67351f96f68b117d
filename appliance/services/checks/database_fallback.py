"""An older program works on its own copy of the database."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """An older program works on its own copy of the database."""
    state = facts.fallback
    if state is None:
        return None
    return Finding(
        WARNING,
        "This version is older than the database and works on its own copy, from before the update. "
        "%(carried)s calls were carried over from the newer version.",
        "The newer database is kept untouched. Install the newer version again to go on with it: "
        "calls, notes and customers of now are taken along; other changes made now are listed then.",
        {"carried": state["carried"]},
        state["since"],
    )
