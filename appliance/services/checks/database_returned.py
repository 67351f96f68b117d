"""What an older program did has been merged."""

from __future__ import annotations

from appliance.services.checks.model import INFO, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """What an older program did has been merged."""
    state = facts.returned
    if state is None:
        return None
    return Finding(
        INFO,
        "The box is back on its newer database. %(calls)s calls and %(customers)s customers of the older "
        "version's time were taken over. Changed meanwhile and not taken over: %(differences)s",
        "Look through the list and make those changes again where they are still wanted. The older version's "
        "database is kept.",
        {
            "calls": state["merged_calls"],
            "customers": state["merged_customers"],
            "differences": joined([*state["differences"][:30], *state["refused"][:5]]) or "–",
        },
        state["merged_at"],
        "dismiss_returned",
    )
