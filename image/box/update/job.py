"""One installation from beginning to reboot, on a thread of its own.

fetching ─► checking ─► waiting_calls ─► installing ─► waiting_reboot ─► rebooting
    └───────────┴────────────┴── cancelled │  any of them ─► failed (problem)
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image.box import commands, files
from image.box.places import Places
from image.box.problem import Problem
from image.box.release import Release
from image.box.update import bundle, history, rules, sources

log = logging.getLogger(__name__)

HOOK = re.compile(r"Hook returned: ([a-z_]{1,40}): (.+)$")
"""What the bundle's own install-check says."""
PERCENT = re.compile(r"^\s*(\d{1,3})%\s*(.*)$")
POLL_S = 2.0
ENDED = ("failed", "cancelled", "rebooting")
MAY_CANCEL = ("fetching", "checking", "waiting_calls")


@dataclass(frozen=True)
class Ways:
    """What the job needs of the box besides files. slot_bytes: room in the slot that is written."""

    calls: Callable[[], int]
    slot_bytes: Callable[[], int]
    reboot: Callable[[], None]
    running_slot: Callable[[], str]


@dataclass
class Job:
    """An installation. `state` may be read at any time by any thread."""

    places: Places
    here: Release
    ways: Ways
    id: str
    source: dict[str, str]
    downgrade_consent: bool = False
    now: bool = False
    """Calls are not waited for."""
    _state: dict[str, Any] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._tell(
            state="fetching", percent=0, step="", version="", problem=None, began=time.time(), ended=None
        )

    @property
    def state(self) -> dict[str, Any]:
        """{state, percent, step, problem, version, began, ended, job, source}."""
        with self._lock:
            return {"job": self.id, "source": self.source, **self._state}

    @property
    def over(self) -> bool:
        """Has it come to an end?"""
        return self.state["state"] in ENDED

    def cancel(self) -> None:
        """End it before anything is written. Raises Problem when it is too late."""
        if self.state["state"] not in MAY_CANCEL:
            raise Problem("too_late", "the update is being written and is not interrupted any more")
        self._stop.set()

    def run(self) -> None:
        """Do all of it. Never raises: what went wrong is in the state and in the history."""
        try:
            self._run()
        except Problem as problem:
            self._failed(problem)
        except Exception as error:  # a job that dies without a word would wait on the page for ever
            log.exception("the update failed")
            self._failed(Problem("update_failed", f"the update failed: {error}", detail=str(error)))

    # ------------------------------------------------------------------ the way
    def _run(self) -> None:
        path = sources.bring(self.places, self.source, self._fetched)
        self._tell(state="checking", percent=0, step="")
        found = examine(path, self.here, self.ways.slot_bytes(), self.downgrade_consent)
        self._tell(version=found.version)
        if not self._wait("waiting_calls"):
            self._tell(state="cancelled", ended=time.time())
            history.note(self.places, "cancelled", found.version)
            return
        self._tell(state="installing", percent=0, step="")
        slot = {"A": "B", "B": "A"}.get(self.ways.running_slot(), "")
        # Until the reboot the old slot still runs: that is no fall-back.
        files.write(self.places.run / "installed-in-this-boot", b"")
        history.expect(self.places, found.version, self.here.version, slot, written=False)
        # The bundle's own install-check wants to know of the consent, too.
        consent = self.places.run / "downgrade-consent"
        try:
            if self.downgrade_consent:
                files.write(consent, found.version.encode())
            self._install(path)
        except Problem:
            history.forget(self.places)
            raise
        finally:
            consent.unlink(missing_ok=True)
        history.expect(self.places, found.version, self.here.version, slot, written=True)
        history.note(
            self.places, "installed", found.version, before=self.here.version, source=self.source["kind"]
        )
        self._stop.clear()
        self._wait("waiting_reboot")
        self._tell(state="rebooting", percent=100, ended=time.time())
        path.unlink(missing_ok=True)
        self.ways.reboot()

    def _fetched(self, done: int, size: int) -> None:
        if self._stop.is_set():
            raise Problem("cancelled", "the update was cancelled")
        self._tell(percent=min(99, 100 * done // size) if size else 0, step=str(done))

    def _wait(self, state: str) -> bool:
        """Until nobody talks; False when it was cancelled."""
        while not self.now and (calls := self.ways.calls()):
            self._tell(state=state, step=str(calls))
            if self._stop.wait(POLL_S):
                return False
        return not self._stop.is_set()

    def _install(self, path: Path) -> None:
        last, errors, refused = "", [], None
        with commands.start(("rauc", "install", str(path))) as process:
            assert process.stdout is not None
            for line in process.stdout:
                found = PERCENT.match(line)
                if found:
                    self._tell(percent=min(100, int(found[1])), step=found[2].strip())
                elif line.strip():
                    last = line.strip()
                    refused = HOOK.search(last) or refused
                    errors += [last] if "error" in last.lower() or "fail" in last.lower() else []
            status = process.wait()
        if status and refused:
            raise Problem(refused[1], refused[2])
        if status:
            reason = (errors or [last or f"status {status}"])[-1]
            raise Problem("install_failed", f"the update could not be written: {reason}", detail=reason)

    # --------------------------------------------------------------- its state
    def _failed(self, problem: Problem) -> None:
        state = "cancelled" if problem.code == "cancelled" else "failed"
        self._tell(
            state=state, problem=None if state == "cancelled" else problem.as_dict(), ended=time.time()
        )
        log.warning("update: %s", problem.text)
        try:
            history.note(self.places, state, self.state["version"], problem=problem.as_dict())
        except OSError as error:
            log.error("the history of updates cannot be written: %s", error)

    def _tell(self, **changes: Any) -> None:
        with self._lock:
            self._state.update(changes)
            told = {"job": self.id, "source": self.source, **self._state}
        try:
            files.write_json(self.places.run / "update.json", told)
        except OSError as error:
            log.warning("the state of the update cannot be stored: %s", error)


def examine(path: Path, here: Release, slot_bytes: int, downgrade_consent: bool) -> bundle.Bundle:
    """All that is checked before anything is written. Raises Problem."""
    size = path.stat().st_size
    if size > rules.MAX_BUNDLE_BYTES:
        raise rules.too_large(size)
    found = bundle.look(path)
    refused = rules.problem(found, here, slot_bytes, downgrade_consent)
    if refused:
        raise refused
    bundle.verify_content(path)
    return found


def left_over(places: Places) -> dict[str, Any]:
    """The last job's state after the daemon was started anew; one that was under way has failed."""
    try:
        found = files.read_json(places.run / "update.json")
    except (OSError, ValueError):
        found = None
    if found is None:
        return {"state": "idle"}
    if found.get("state") not in ENDED:
        problem = history.INTERRUPTED.as_dict()
        found |= {"state": "failed", "problem": problem, "ended": time.time()}
        files.write_json(places.run / "update.json", found)
        if found.get("version") and not (history.pending(places) or {}).get("written"):
            history.forget(places)
            history.note(places, "failed", str(found["version"]), problem=problem)
    return found
