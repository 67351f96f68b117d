"""Calls are not being recorded although they should be."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """Calls are not being recorded although they should be."""
    if facts.engine_health.get("recording_ok", True):
        return None
    return Finding(
        ERROR,
        "Calls go on without being recorded: the disk does not take recordings.",
        "Make room on the disk. Recording begins again by itself with the next call.",
        {},
        None,
        "free_recordings",
    )
