"""Lines that were taken out of use."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """Lines that were taken out of use."""
    bad = [line for line in facts.lines if line.get("state") == "quarantined"]
    if not bad:
        return None
    return Finding(
        WARNING,
        "Lines taken out of use because they failed too often: %(lines)s",
        "Check the cable and call the telephone company; the box tries them again by itself.",
        {"lines": joined(line["id"] for line in bad)},
        min((line["since"] for line in bad if line.get("since")), default=None),
    )
