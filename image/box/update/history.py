"""What became of updates: each one's outcome, and how the first boots of a new version went.

installed ──► on trial (slot not confirmed) ──► confirmed
                    └──► fell back: the old slot runs again, with the reason that the new one left
"""

from __future__ import annotations

import logging
import time
from typing import Any

from image.box import files
from image.box.places import Places
from image.box.problem import Problem

log = logging.getLogger(__name__)

NEVER_STARTED = "never_started"
"""The code for a version that came not as far as telling why."""
LOG_LINES = 60


def interrupted(spoilt: bool) -> Problem:
    """The power went, or the daemon was ended. spoilt: the other system cannot be started."""
    if not spoilt:
        return Problem("interrupted", "the update was interrupted; nothing was changed, start it again")
    return Problem(
        "interrupted_writing",
        "the update was interrupted while it was written: the running version goes on, but there is no other "
        "one to go back to until an update succeeds; start it again",
    )


def note(places: Places, outcome: str, version: str, **more: Any) -> None:
    """Add one line to the history. Raises OSError."""
    files.append_json(
        places.system / "updates.jsonl", {"at": time.time(), "outcome": outcome, "version": version, **more}
    )


def entries(places: Places) -> list[dict[str, Any]]:
    """The history, newest first."""
    return files.read_lines(places.system / "updates.jsonl")[::-1]


def expect(places: Places, version: str, before: str, slot: str, written: bool) -> None:
    """The next boot shall come from `slot`, once all of it is written. Raises OSError."""
    files.write_json(
        places.system / "update-pending.json",
        {"version": version, "from": before, "slot": slot, "written": written, "at": time.time()},
    )
    # Why the version that was in this slot gave itself up says nothing about the new one.
    (places.system / "unhealthy.json").unlink(missing_ok=True)


def forget(places: Places) -> None:
    """Nothing is expected: the installation did not go through. Raises OSError."""
    files.remove(places.system / "update-pending.json")


def pending(places: Places) -> dict[str, Any] | None:
    """The version that is installed and not yet confirmed; None when there is none."""
    try:
        return files.read_json(places.system / "update-pending.json")
    except (OSError, ValueError) as error:
        log.warning("the note of a pending update cannot be read: %s", error)
        return None


def settle(places: Places, slot: str, confirmed: bool, rebooted: bool, spoilt: bool) -> None:
    """Compare what was expected with what runs. rebooted: this is a later boot than the installation's.
    spoilt: the other system cannot be started. Raises OSError.
    """
    found = pending(places)
    if found is None or not slot or not rebooted:
        return
    version = str(found.get("version", ""))
    if slot == found.get("slot"):
        if confirmed:
            note(places, "confirmed", version)
            forget(places)
        return
    if found.get("written") is False:
        note(places, "failed", version, problem=interrupted(spoilt).as_dict())
        forget(places)
        return
    told = _why(places)
    fits = told.get("fell_back") is True and told.get("failed_slot") == found.get("slot")
    reason = str(told.get("reason") or NEVER_STARTED) if fits else NEVER_STARTED
    lines = [str(line) for line in told.get("log", [])][-LOG_LINES:] if fits else []
    note(places, "fell_back", version, reason=reason, log=lines)
    files.write_json(
        places.system / "fell-back.json",
        {"version": version, "reason": reason, "log": lines, "at": time.time()},
    )
    forget(places)


def fell_back(places: Places) -> dict[str, Any] | None:
    """The last fall-back that nobody has acknowledged yet."""
    try:
        return files.read_json(places.system / "fell-back.json")
    except (OSError, ValueError):
        return None


def acknowledge(places: Places) -> None:
    """Somebody has read it. Raises OSError."""
    files.remove(places.system / "fell-back.json")


def _why(places: Places) -> dict[str, Any]:
    """What `image.box.started` found out about this start."""
    try:
        return files.read_json(places.run / "boot.json") or {}
    except (OSError, ValueError) as error:
        log.warning("the reason of the fall-back cannot be read: %s", error)
        return {}
