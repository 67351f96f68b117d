"""The certificate of the pages ends soon."""

from __future__ import annotations

from appliance.services.checks.model import CLOCK_SET_S, WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The certificate of the pages ends soon."""
    if facts.certificate_end is None or facts.now < CLOCK_SET_S:
        return None
    days = (facts.certificate_end - facts.now) / 86400.0
    if days > 30:
        return None
    return Finding(
        WARNING,
        "The certificate of the pages ends in %(days)s days; browsers will then warn.",
        "Renew it; browsers ask once whether they may trust the new one.",
        {"days": max(0, int(days))},
        None,
        "renew_certificate",
    )
