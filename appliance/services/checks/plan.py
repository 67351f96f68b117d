"""The settings are not in use as they stand."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding, joined


def look(facts: Facts) -> Finding | None:
    """The settings are not in use as they stand."""
    problems = facts.plan.get("problems") or []
    if not problems:
        return None
    return Finding(
        ERROR,
        "The settings are not in use: %(problems)s",
        "The box works with the last settings that made sense. Correct what is named, then try again.",
        {"problems": joined(problems)},
        facts.plan.get("compiled_at"),
        "republish_plan",
    )
