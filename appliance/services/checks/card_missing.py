"""A card that was there has gone."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """A card that was there has gone."""
    lost = facts.engine_health.get("lost_cards") or []
    if not lost:
        return None
    return Finding(
        ERROR,
        "Cards that are missing: %(cards)s. Their lines and telephones do not work.",
        "Check that the card is plugged in and has power. It is taken back by itself.",
        {"cards": joined(lost)},
    )
