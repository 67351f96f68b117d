"""A copy of the boot state was lost."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """A copy of the boot state was lost."""
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
