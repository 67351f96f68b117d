"""The daily backup could not be copied to the share."""

from __future__ import annotations

from appliance.services.checks.model import ERROR, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """The daily backup could not be copied to the share."""
    if not facts.share_problem:
        return None
    return Finding(
        ERROR,
        "The daily backup was not copied to the network share: %(problem)s",
        "Open Backups, mend what is named and try the share there. It is tried again every hour.",
        {
            "problem": facts.share_problem["text"],
            "code": facts.share_problem["code"],
            "detail": facts.share_problem["detail"],
        },
        facts.share_problem["since"],
    )
