"""Requests about updates: look at one, install it, how far it is, what became of it."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any

from image.box import files, release
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask
from image.box.update import fault, history, rules, sources
from image.box.update.bundle import Bundle, look
from image.box.update.job import ENDED, WRITTEN, Job, Ways, left_over

log = logging.getLogger(__name__)

HISTORY = 50


class Updates:
    """At most one installation at a time."""

    def __init__(self, places: Places, ways: Ways) -> None:
        self._places = places
        self._ways = ways
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._before: dict[str, Any] | None = None
        """How the last job of this boot ended, where the daemon was started anew since."""
        self._left = ""
        """The state that the job has to go on from and has got no thread for yet."""

    def start(self) -> None:
        """Take up what the daemon did before it was started anew: what RAUC writes, and a reboot that waits
        for calls. All else has failed, and what it had fetched is deleted. Raises OSError."""
        found = left_over(self._places)
        if found is None:
            sources.drop(self._places)
            self._take_up()
            return
        state, version = str(found.get("state")), str(found.get("version", ""))
        if state in WRITTEN and isinstance(found.get("source"), dict):
            here, now = release.read(self._places), found.get("now") is True
            job = Job(self._places, here, self._ways, str(found.get("job")), found["source"], now=now)
            job.tell_as(state, version)
            self._job = job
            self._work(job, state)
            return
        sources.drop(self._places)
        if state not in ENDED:
            found |= self._interrupted(version)
            self._before = found
            files.write_json(self._places.run / "update.json", found)
        self._before = found

    def _take_up(self) -> None:
        """The first start in this boot. What had begun to be written is for `history.settle` to judge."""
        running, pending = release.read(self._places).version, history.pending(self._places) or {}
        if fault.outlived(self._places, running) or fault.began_before(self._places, pending.get("at")):
            fault.forget(self._places)
        elif fault.begun(self._places):
            self._before = self._interrupted("")

    def _interrupted(self, version: str) -> dict[str, Any]:
        problem, running = history.interrupted(spoilt=False), release.read(self._places).version
        told = fault.failed(self._places, problem, version, running)
        try:
            history.note(self._places, "failed", told["version"], problem=problem.as_dict())
        except OSError as error:  # a full disk must not hide what is told
            log.error("the history of updates cannot be written: %s", error)
        return told

    def tick(self) -> None:
        """Once a second: a job that has got no thread to go on with tries again."""
        if self._left and self._job is not None:
            self._work(self._job, self._left)

    def _work(self, job: Job, left: str = "") -> None:
        try:
            threading.Thread(target=job.run, args=(left,), name="update", daemon=True).start()
            self._left = ""
        except (RuntimeError, MemoryError) as error:  # no memory for another thread, say
            text = str(error) or type(error).__name__
            if not left:
                job.fail(Problem("update_failed", f"the update could not be begun: {text}", detail=text))
            elif not self._left:
                # RAUC goes on writing, and what is written waits for its reboot: neither has failed.
                log.warning("nobody looks on at the update yet: %s", text)
                self._left = left

    def inspect(self, params: ask.Params) -> dict[str, Any]:
        """What an upload or a stick's bundle is, and whether it may be installed. Raises Problem.

        One at an address is fetched first, as a job of its own would be: ask to install it instead.
        """
        source = sources.check(params.get("source"))
        if source["kind"] == "url":
            raise Problem(
                "bad_source", "an update at an address is looked at when it has been fetched", "source"
            )
        here = release.read(self._places)
        try:
            found = self._look(source)
        except OSError as error:
            if source["kind"] != "usb":
                raise
            raise sources.pulled(error) from error
        refused = rules.problem(found, here, self._ways.slot_bytes(), False)
        return {
            "bundle": found.as_dict(),
            "running": here.version,
            "problem": refused.as_dict() if refused else None,
        }

    def _look(self, source: dict[str, str]) -> Bundle:
        path = sources.local(self._places, source)
        size = path.stat().st_size
        if size > rules.MAX_BUNDLE_BYTES:
            raise rules.too_large(size)
        try:
            return look(path)
        except Problem:
            if source["kind"] == "usb":
                # RAUC, a program of its own, finds a bundle bad whose stick has gone while it was read.
                path.stat()
            raise

    def install(self, params: ask.Params) -> dict[str, Any]:
        """Begin; {"job": id}. Raises Problem."""
        source = sources.check(params.get("source"))
        here = release.read(self._places)
        consent, now = ask.flag(params, "downgrade_consent"), ask.flag(params, "now")
        with self._lock:
            if self._job is not None and not self._job.over:
                raise Problem("update_running", "an update is being installed already")
            job = Job(self._places, here, self._ways, secrets.token_hex(6), source, consent, now)
            self._job = job
        self._work(job)
        return {"job": job.id}

    def cancel(self, params: ask.Params) -> dict[str, Any]:
        """End it before it is written. Raises Problem."""
        if self._job is None or self._job.over:
            raise Problem("no_job", "no update is being installed")
        self._job.cancel()
        return {}

    def status(self, params: ask.Params) -> dict[str, Any]:
        """The job, the version on trial, a fall-back, uploads, history."""
        return {
            **self.summary(),
            "uploads": sources.uploads(self._places),
            "history": history.entries(self._places)[:HISTORY],
        }

    def summary(self) -> dict[str, Any]:
        """What the start page shows."""
        job = self._job.state if self._job is not None else self._before
        return {
            "update": job or fault.last(self._places) or {"state": "idle"},
            "pending": history.pending(self._places),
            "fell_back": history.fell_back(self._places),
        }

    def acknowledge(self, params: ask.Params) -> dict[str, Any]:
        """The fall-back has been read."""
        history.acknowledge(self._places)
        return {}

    def discard(self, params: ask.Params) -> dict[str, Any]:
        """Delete an upload. Raises Problem."""
        source = sources.check({"kind": "upload", "name": params.get("name")})
        if self._job is not None and not self._job.over and self._job.source == source:
            raise Problem("update_running", "this update is being installed")
        sources.local(self._places, source).unlink()
        return {}
