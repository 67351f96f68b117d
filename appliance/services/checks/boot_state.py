"""A copy of the boot state was lost."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """A copy of the boot state was lost."""
    if "boot_state_unreadable" in (facts.system.get("states") or []):
        return Finding(
            ERROR,
            "The boot state cannot be read: which system starts next is not known.",
            "Calls go on. Do not update; have the disk replaced.",
        )
    state = facts.system.get("boot_state", "ok")
    if state not in ("one_lost", "lost"):
        return None
    return Finding(
        WARNING,
        "At the last start %(copies)s of the two copies of the boot state were unreadable; they were "
        "written anew.",
        "If this happens again, the disk should be replaced.",
        {"copies": 1 if state == "one_lost" else 2},
    )
