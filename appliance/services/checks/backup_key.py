"""Nobody has put the recovery key on paper."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """Nobody has put the recovery key on paper."""
    if facts.key_on_paper or not facts.backups:
        return None
    return Finding(
        WARNING,
        "The recovery key has not been printed. Without it no backup can be opened when this box is lost.",
        "Open Backups, print the key and keep it away from the box.",
    )
