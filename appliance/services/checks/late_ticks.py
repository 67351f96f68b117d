"""The call engine does not keep its pace."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The call engine does not keep its pace."""
    # What was long ago is neither to alarm nor to calm anybody.
    lately = facts.engine_health.get("lately") or {}
    ticks, late = lately.get("ticks", 0), lately.get("late", 0)
    if ticks < 3000 or late / ticks < SHARE:
        return None
    return Finding(
        WARNING,
        "The box is too slow for its calls: %(percent)s %% of the 20 ms steps came late, the worst by "
        "%(worst_ms)s ms.",
        "Callers may hear gaps. Nothing else should run on this machine; fewer lines at a time help.",
        {
            "percent": round(100 * late / ticks, 1),
            "worst_ms": round(lately.get("latest_ms", 0)),
        },
    )


SHARE = 0.001
"""One late step in a thousand is one gap in twenty seconds."""
