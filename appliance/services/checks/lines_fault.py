"""Lines without contact."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """Lines without contact."""
    bad = [line for line in facts.lines if line.get("state") == "fault"]
    if not bad:
        return None
    return Finding(
        WARNING,
        "Lines with a fault: %(lines)s",
        "Check the cable between the box and the telephone company's socket.",
        {"lines": joined(line["id"] for line in bad)},
        min((line["since"] for line in bad if line.get("since")), default=None),
    )
