"""A card is plugged in and cannot be used."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """A card is plugged in and cannot be used."""
    bad = [row for row in facts.engine_health.get("hardware") or [] if row.get("state") == "problem"]
    if not bad:
        return None
    return Finding(
        ERROR,
        "Cards that cannot be used: %(cards)s",
        "Do what is named for each; a card whose driver is missing needs another kind or a newer version.",
        {"cards": joined(f"{row.get('model') or row.get('name')}: {row.get('problem')}" for row in bad)},
    )
