"""The last scheduled backup did not work."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The last scheduled backup did not work."""
    if not facts.backup_problem:
        return None
    return Finding(
        ERROR,
        "The last backup was not made: %(problem)s",
        "Mend what is named, then make a backup by hand to see that it works.",
        {"problem": facts.backup_problem["text"], "code": facts.backup_problem["code"]},
        None,
        "make_backup",
    )
