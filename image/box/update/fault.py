"""The last update's fault, on the data partition: a job's own state lies in memory and goes with the boot.

begun ─► forgotten: it was cancelled, or written (what becomes of the new version, `history` tells)
  └────► failed: told until the next one begins, or a newer version runs
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from image.box import files, release
from image.box.places import Places
from image.box.problem import Problem

log = logging.getLogger(__name__)

UNREADABLE = "fault_unreadable"
"""The code for a file that is damaged. It stays until the next update begins; where it tells at least under
which version it was written, until a newer one runs."""
NOT_KEPT = ("source", "now")
"""Of a job's state: an address may hold a password. The bundle's file name is there by itself."""


def keep(places: Places, told: Mapping[str, Any], running: str) -> None:
    """A job has begun or failed: its state, and the version that ran meanwhile. Never raises: a disk that
    takes nothing must not end the job."""
    kept = {name: value for name, value in told.items() if name not in NOT_KEPT}
    try:
        files.write_json(_path(places), kept | {"running": running}, 0o600)
    except OSError as error:
        log.warning("the fault of the update cannot be kept: %s", error)


def failed(places: Places, problem: Problem, version: str, running: str) -> dict[str, Any]:
    """The box was restarted in the middle of what had begun; the state that is told from now on."""
    told = {
        **_begun(places),
        **{"state": "failed", "problem": problem.as_dict(), "may_cancel": False, "ended": time.time()},
    }
    told["version"] = version or told.get("version", "")
    keep(places, told, running)
    return told


def forget(places: Places) -> None:
    """There is no fault. Never raises."""
    try:
        files.remove(_path(places))
    except OSError as error:
        log.warning("the fault of the update cannot be forgotten: %s", error)


def begun(places: Places) -> bool:
    """Is there one that has begun and of which no end is known?"""
    return bool(_begun(places))


def began_before(places: Places, at: object) -> bool:
    """Is it known that what is kept is of an update that began before this Unix time?"""
    began = _kept(places).get("began")
    return isinstance(began, int | float) and isinstance(at, int | float) and began < at


def last(places: Places) -> dict[str, Any] | None:
    """The state of the job that failed last; None where none has failed since the last one that went well.
    With the problem UNREADABLE it is not known what became of it, nor of which version."""
    try:
        found = files.read_json(_path(places))
        if found is None or (found.get("state") != "failed" and isinstance(found.get("state"), str)):
            return None
        if isinstance(found.get("problem"), dict) and isinstance(found["problem"].get("code"), str):
            return found
        damage = "it is not what was written"
    except (OSError, ValueError) as error:
        damage = str(error)
    text = f"what was noted of it cannot be read ({damage}); the history of updates may name it"
    return {"state": "failed", "problem": Problem(UNREADABLE, text, detail=damage).as_dict()}


def outlived(places: Places, running: str) -> bool:
    """Is it known that it began under an older version than the one that runs now? Then a later update went
    well, one by the recovery system, say."""
    then = _kept(places).get("running")
    return isinstance(then, str) and release.order(running) > release.order(then)


def _path(places: Places) -> Path:
    return places.system / "update-fault.json"


def _begun(places: Places) -> dict[str, Any]:
    found = _kept(places)
    return found if found.get("state") not in (None, "failed") else {}


def _kept(places: Places) -> dict[str, Any]:
    try:
        return files.read_json(_path(places)) or {}
    except (OSError, ValueError):
        return {}  # `last` tells it
