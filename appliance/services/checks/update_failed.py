"""The last update was not installed, or it is not known what became of it."""

from __future__ import annotations

from appliance.services.checks.model import WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """Did the last update fail? One that somebody has cancelled is none."""
    job = facts.system.get("update") or {}
    problem = job.get("problem")
    if job.get("state") != "failed" or not problem:
        return None
    if problem.get("code") == "fault_unreadable":
        return Finding(
            WARNING,
            "What became of the last update is not known: %(problem)s",
            "Open Updates: the history and the version that runs may tell.",
            {"problem": problem},
        )
    return Finding(
        WARNING,
        "The last update was not installed: %(problem)s",
        "The version that runs was not touched. Open Updates to try again.",
        {"problem": problem},
        job.get("ended"),
    )
