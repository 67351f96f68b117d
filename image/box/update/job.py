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
from image.box.update import bundle, fault, history, rules, sources

log = logging.getLogger(__name__)

HOOK = re.compile(r"Hook returned: ([a-z_]{1,40}): (.+)$")
"""What the bundle's own install-check says."""
PERCENT = re.compile(r"^\s*(\d{1,3})%\s")
POLL_S = 2.0
OPERATION = (
    *("busctl", "get-property", "de.pengutronix.rauc", "/", "de.pengutronix.rauc.Installer", "Operation"),
)
"""Asks RAUC's service what it does: idle, or installing."""
ENDED = ("failed", "cancelled", "rebooting")
WRITTEN = ("installing", "waiting_reboot")
"""From these a daemon that was started anew goes on."""
MAY_CANCEL = ("fetching", "checking", "waiting_calls")


@dataclass(frozen=True)
class Ways:
    """What the job needs of the box besides files. slot_bytes: room in the slot that is written."""

    calls: Callable[[], int]
    slot_bytes: Callable[[], int]
    reboot: Callable[[], None]
    running_slot: Callable[[], str]
    next_slot: Callable[[], str]
    """Which system the boot loader takes next."""
    spoilt: Callable[[], bool]
    """Is the other system one that cannot be started, because it is being written or was given up?"""


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
            state="fetching",
            percent=0,
            done=0,
            size=0,
            calls=0,
            version="",
            problem=None,
            began=time.time(),
            ended=None,
        )

    def tell_as(self, state: str, version: str) -> None:
        """What is known of a job that was begun by a daemon before this one."""
        self._tell(state=state, version=version)

    @property
    def state(self) -> dict[str, Any]:
        """{state, percent, done, size, calls, problem, version, began, ended, job, source, file, now,
        may_cancel}.

        percent: of what the state says is being done. done, size: bytes that were fetched, and in all (0:
        unknown). calls: how many are waited for. file: the bundle's name.
        """
        with self._lock:
            return self._whole()

    @property
    def over(self) -> bool:
        """Has it come to an end?"""
        return self.state["state"] in ENDED

    def cancel(self) -> None:
        """End it before anything is written. Raises Problem when it is too late."""
        if self.state["state"] not in MAY_CANCEL:
            raise Problem("too_late", "the update is being written and is not interrupted any more")
        self._stop.set()

    def run(self, left: str = "") -> None:
        """Do all of it. Never raises: what went wrong is in the state and in the history.

        left: the state, one of WRITTEN, to go on from after the daemon was started anew.
        """
        try:
            if left:
                self._go_on(left)
            else:
                self._run()
        except Problem as problem:
            self.fail(problem)
        except Exception as error:  # a job that dies without a word would wait on the page for ever
            log.exception("the update failed")
            self.fail(Problem("update_failed", f"the update failed: {error}", detail=str(error)))

    def fail(self, problem: Problem) -> None:
        """It ends here, and why; cancelled counts as no fault. Never raises."""
        log.warning("update: %s", problem.text)
        if problem.code == "cancelled":
            self._end("cancelled")
        else:
            self._end("failed", problem.as_dict())

    def _end(self, state: str, problem: dict[str, Any] | None = None) -> None:
        """What is kept of its end comes before the word: from then on another one may begin, and keep its
        own. Never raises."""
        sources.drop(self.places, self.source)  # who sees the end finds the room
        ended = {"state": state, "problem": problem, "ended": time.time()}
        if problem is not None:
            fault.keep(self.places, self.state | ended | {"may_cancel": False}, self.here.version)
        else:
            fault.forget(self.places)
        try:
            more = {} if problem is None else {"problem": problem}
            history.note(self.places, state, self.state["version"], **more)
        except OSError as error:
            log.error("the history of updates cannot be written: %s", error)
        self._tell(**ended)

    # ------------------------------------------------------------------ the way
    def _run(self) -> None:
        fault.keep(self.places, self.state, self.here.version)
        path = sources.bring(self.places, self.source, self._fetched)
        self._tell(state="checking", percent=0)
        found = examine(path, self.here, self.ways.slot_bytes(), self.downgrade_consent)
        self._tell(version=found.version)
        if not self._wait("waiting_calls"):
            raise _cancelled()
        self._tell(state="installing", percent=0, calls=0)
        slot = {"A": "B", "B": "A"}.get(self.ways.running_slot(), "")
        # Until the reboot the old slot still runs: that is no fall-back.
        files.write(self.places.run / "installed-in-this-boot", b"")
        history.expect(self.places, found.version, self.here.version, slot, written=False)
        # The bundle's own install-check wants to know of the consent, too.
        consent = self.places.run / "downgrade-consent"
        try:
            if self.downgrade_consent:
                files.write(consent, found.version.encode())
            self._install(path, slot)
        except Problem:
            history.forget(self.places)
            raise
        finally:
            consent.unlink(missing_ok=True)
        self._written(found.version, slot)
        self._leave()

    def _written(self, version: str, slot: str) -> None:
        fault.forget(self.places)
        history.expect(self.places, version, self.here.version, slot, written=True)
        history.note(self.places, "installed", version, before=self.here.version, source=self.source["kind"])

    def _leave(self) -> None:
        self._stop.clear()
        self._wait("waiting_reboot")
        self._tell(state="rebooting", percent=100, calls=0, ended=time.time())
        sources.brought(self.places, self.source).unlink(missing_ok=True)
        self.ways.reboot()

    def _go_on(self, left: str) -> None:
        if left == "installing":
            expected = history.pending(self.places) or {}
            slot = str(expected.get("slot", ""))
            try:
                self._look_on(slot)
            except Problem:
                history.forget(self.places)
                raise
            self._written(str(expected.get("version", "")), slot)
        self._leave()

    def _look_on(self, slot: str) -> None:
        """RAUC's own service writes, whether or not its client is there. Raises Problem when it did not."""
        self._until_rauc_is_idle()
        if self.ways.next_slot() != slot:
            raise history.interrupted(spoilt=self.ways.spoilt())

    @staticmethod
    def _until_rauc_is_idle() -> None:
        unanswered = 0
        while unanswered < 5:
            done = commands.run(*OPERATION)
            if done.ok and "installing" not in done.out:
                return
            unanswered = 0 if done.ok else unanswered + 1
            time.sleep(POLL_S)

    def _fetched(self, done: int, size: int) -> None:
        if self._stop.is_set():
            raise _cancelled()
        self._tell(percent=min(99, 100 * done // size) if size else 0, done=done, size=size)

    def _wait(self, state: str) -> bool:
        """Until nobody talks; False when it was cancelled."""
        while not self.now and (calls := self.ways.calls()):
            self._tell(state=state, calls=calls)
            if self._stop.wait(POLL_S):
                return False
        return not self._stop.is_set()

    def _install(self, path: Path, slot: str) -> None:
        last, errors, refused = "", [], None
        with commands.start(("rauc", "install", str(path))) as process:
            assert process.stdout is not None
            for line in process.stdout:
                found = PERCENT.match(line)
                if found:
                    self._tell(percent=min(100, int(found[1])))
                elif line.strip():
                    last = line.strip()
                    refused = HOOK.search(last) or refused
                    errors += [last] if "error" in last.lower() or "fail" in last.lower() else []
            status = process.wait()
        if status < 0:
            # A signal has ended the client alone, for want of memory, say.
            self._look_on(slot)
            return
        if status and refused:
            raise Problem(refused[1], refused[2])
        if status:
            reason = (errors or [last or f"status {status}"])[-1]
            if not self.ways.spoilt():
                text = f"the update could not be installed: {reason}; nothing was changed"
                raise Problem("install_failed", text, detail=reason)
            raise Problem(
                "write_failed",
                f"the update could not be written: {reason}; the running version goes on, but there is no "
                "other one to go back to until an update succeeds",
                detail=reason,
            )

    # --------------------------------------------------------------- its state
    def _whole(self) -> dict[str, Any]:
        may_cancel = self._state["state"] in MAY_CANCEL
        known = {"job": self.id, "source": self.source, "file": sources.file_name(self.source)}
        return known | {"now": self.now, "may_cancel": may_cancel} | self._state

    def _tell(self, **changes: Any) -> None:
        with self._lock:
            self._state.update(changes)
            told = self._whole()
        try:
            files.write_json(self.places.run / "update.json", told)
        except OSError as error:
            log.warning("the state of the update cannot be stored: %s", error)


def _cancelled() -> Problem:
    return Problem("cancelled", "the update was cancelled")


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


def left_over(places: Places) -> dict[str, Any] | None:
    """The last job's state, when there was one in this boot."""
    try:
        return files.read_json(places.run / "update.json")
    except (OSError, ValueError):
        return None
