"""Remote support is open."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """Remote support is open."""
    ssh = facts.system.get("ssh") or {}
    if not ssh.get("open"):
        return None
    return Finding(
        WARNING,
        "Remote support (SSH) is open for %(hours)s more hours, switched on by %(by)s.",
        "Close it as soon as the work is done; it closes by itself.",
        {"hours": round(ssh.get("left_s", 0) / 3600, 1), "by": ssh.get("by") or "?"},
        ssh.get("since"),
        "close_ssh",
    )
