"""The last update was not installed."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The last update was not installed."""
    job = facts.system.get("update") or {}
    problem = job.get("problem")
    if job.get("state") != "failed" or not problem:
        return None
    return Finding(
        WARNING,
        "The last update was not installed: %(problem)s",
        "The version that runs was not touched. Open Updates to try again.",
        {"problem": problem},
        job.get("ended"),
    )
