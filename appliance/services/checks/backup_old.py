"""The newest good backup is old."""

from __future__ import annotations

from appliance.services.checks.model import CLOCK_SET_S, WARNING, Facts, Finding, ahead


def look(facts: Facts) -> Finding | None:
    """The newest good backup is old."""
    good = [float(one["made_at"]) for one in facts.backups if not one["problem"]]
    if not good or facts.now < CLOCK_SET_S:
        return None
    good = [at for at in good if not ahead(at, facts.now)]
    if not good:
        return Finding(
            WARNING,
            "Every backup was made while the clock was ahead: how old they are is not known.",
            "Check that the clock is right, then make a backup.",
            {},
            None,
            "make_backup",
        )
    days = (facts.now - max(good)) / 86400.0
    if days < (2 if facts.backup_daily else 30):
        return None
    return Finding(
        WARNING,
        "The newest backup is %(days)s days old.",
        "Make one now. Daily backups can be switched on in the settings.",
        {"days": int(days)},
        max(good),
        "make_backup",
    )
