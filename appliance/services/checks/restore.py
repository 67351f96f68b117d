"""A restored backup, or one that waits to be confirmed."""

from __future__ import annotations

from appliance.services.checks.model import INFO, WARNING, Facts, Finding


def look(facts: Facts) -> Finding | None:
    """A restored backup, or one that waits to be confirmed."""
    state = facts.restore
    if state is None:
        return None
    if state["step"] == "done":
        return Finding(
            INFO,
            "The backup %(name)s was restored.",
            "What was there before is kept on the box until two more have been restored.",
            {"name": state["source"]},
            None,
            "dismiss_restore",
        )
    if state["step"] == "swapping":
        return Finding(
            WARNING,
            "The backup %(name)s is being restored, and that has not come to its end.",
            "It goes on at the next start of the box, and nothing is lost. If this stays after a restart, "
            "get a support bundle.",
            {"name": state["source"]},
        )
    return Finding(
        WARNING,
        "The backup %(name)s is ready to be restored; nothing has been replaced yet.",
        "Open Backups to restore it or to give it up.",
        {"name": state["source"]},
    )
