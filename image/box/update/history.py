"""What became of updates: each one's outcome, and how the first boots of a new version went.

installed ──► on trial (slot not confirmed) ──► confirmed
                    └──► fell back: the old slot runs again, with the reason that the new one left
confirmed ──► fell back: the same, whenever that happens
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from image.box import files
from image.box.places import Places
from image.box.problem import Problem
from image.box.update import fault

log = logging.getLogger(__name__)

NEVER_STARTED = "never_started"
"""The code for a version that came not as far as telling why."""
STATE_LOST = "boot_state_lost"
"""Not the version's fault: the boot loader did not know which one comes first."""
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
    if not slot or not rebooted:
        return
    found = pending(places)
    if found is None:
        _left_later(places)
        return
    version = str(found.get("version", ""))
    if slot == found.get("slot"):
        if confirmed:
            note(places, "confirmed", version)
            forget(places)
        return
    if found.get("written") is False:
        problem = interrupted(spoilt)
        note(places, "failed", version, problem=problem.as_dict())
        fault.failed(places, problem, version, str(found.get("from", "")))
        _heard(places, _why(places))
        forget(places)
        return
    told = _why(places)
    fits = told.get("fell_back") is True and told.get("failed_slot") == found.get("slot")
    _tell(places, version, told if fits else {})
    _heard(places, told)
    forget(places)


def _left_later(places: Places) -> None:
    """Nothing was expected: was a system that had been confirmed left before this start? Told once, though
    every start from now on finds the same system first in the order. Raises OSError."""
    if (places.run / "fall-back-heard").exists() or not (places.run / "boot.json").exists():
        return
    told = _why(places)
    if told.get("fell_back") is False and (fell_back(places) or {}).get("reason") == STATE_LOST:
        acknowledge(places)  # it runs again
    if told.get("fell_back") is True and not _same(_event(places, told), _last_heard(places)):
        _tell(places, str(told.get("failed_version") or "?"), told)
    _heard(places, told)


def _tell(places: Places, version: str, told: Mapping[str, Any]) -> None:
    reason = str(told.get("reason") or NEVER_STARTED)
    lines = [str(line) for line in told.get("log") or []][-LOG_LINES:]
    files.write_json(
        places.system / "fell-back.json",
        {"version": version, "reason": reason, "log": lines, "at": time.time()},
    )
    if reason != STATE_LOST:  # that says nothing about the version
        note(places, "fell_back", version, reason=reason, log=lines)


def _event(places: Places, told: Mapping[str, Any]) -> dict[str, Any]:
    """What was left, and when it had been started last; None where no start of it is known (any more)."""
    slot = told.get("failed_slot")
    starts = files.read_lines(places.system / "boot-history.jsonl")
    times = [line.get("at") for line in starts if line.get("slot") == slot]
    return {
        "slot": slot,
        "version": told.get("failed_version"),
        "started": times[-1] if times else None,
        "lost": told.get("reason") == STATE_LOST,
    }


def _same(event: Mapping[str, Any], heard: Mapping[str, Any]) -> bool:
    same = all(event[name] == heard.get(name) for name in ("slot", "version", "lost"))
    return same and event["started"] in (None, heard.get("started"))


def _last_heard(places: Places) -> dict[str, Any]:
    try:
        return files.read_json(places.system / "fall-back-heard.json") or {}
    except (OSError, ValueError) as error:
        log.warning("which fall-back was told last cannot be read: %s", error)
        return {}


def _heard(places: Places, told: Mapping[str, Any]) -> None:
    """This start's fall-back, if there was one, is told. Raises OSError."""
    event = _event(places, told) if told.get("fell_back") is True else None
    if event is not None and not _same(event, _last_heard(places)):
        files.write_json(places.system / "fall-back-heard.json", event)
    (places.run / "fall-back-heard").touch()


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
