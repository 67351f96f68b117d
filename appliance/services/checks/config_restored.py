"""The box's own settings were put back from their copy."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The box's own settings were put back from their copy."""
    states = facts.system.get("states") or []
    if "config_readonly" in states:
        return Finding(
            WARNING,
            "The partition with the box's own settings is damaged and takes no changes.",
            "Restart the box: the partition is repaired then, or put back from its copy.",
        )
    if "config_restored" in states:
        return Finding(
            WARNING,
            "The partition with the box's own settings was damaged and has been put back from its copy.",
            "Check network, name and time. If it happens again, the disk should be replaced.",
        )
    if "config_memory" in states:
        return Finding(
            WARNING,
            "The partition with the box's own settings cannot be used; their copy serves.",
            "Everything works, but the disk should be replaced.",
        )
    if "config_defaults" in states:
        return Finding(
            WARNING,
            "The partition with the box's own settings cannot be used, nor is there a copy that can; the box "
            "has its defaults.",
            "Restart the box once. If it stays so, the disk should be replaced.",
        )
    if "config_lost" in states:
        return Finding(
            WARNING,
            "The partition with the box's own settings was damaged and had no copy; it begins with "
            "the defaults.",
            "Set network, name and time again, or restore a backup.",
        )
    return None
