"""Backups, restoring, health checks and repairs, as control's methods.

One job at a time runs on the lane "care"; who asked gets an answer at once and looks at `backups`, whose
`job` tells how far it is: {what, name, step, percent, began, ended, problem: {code, text} | None}.
"""

from __future__ import annotations

import logging
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.client import WireError
from appliance.control import facts
from appliance.control.box_system import System
from appliance.control.effects import Effect, Message, Work
from appliance.control.gate import Gate
from appliance.control.requests import failure, result
from appliance.control.share import Share
from appliance.paths import Home
from appliance.services import backup, backup_file, backup_key, budget, checks, copies, repairs, restore
from appliance.services.backup_errors import BackupError
from appliance.services.backup_key import BackupKey
from appliance.services.checks.model import Facts
from appliance.services.repairs.model import NOTHING, REOPEN, Tools
from appliance.store import StoreError

log = logging.getLogger(__name__)

LANE = "care"
JOB = "care_job"
PAPER = "recovery-key.printed"
"""A file of this name says that somebody has put the key on paper."""

Request = Callable[[Message], Any]


class Care:
    """What looks after the box's data. `gather()` gives the facts that control itself knows."""

    def __init__(
        self,
        home: Home,
        gate: Gate,
        version: str,
        wall_clock: Callable[[], float],
        system: System | None = None,
    ) -> None:
        self._home = home
        self._gate = gate
        self._version = version
        self._clock = wall_clock
        self._system = system or System()
        self._share = Share(home, gate, self._system, lambda: self._clock())
        self._job: Message | None = None
        self._daily_problem: Message | None = None
        self.quick: dict[str, Request] = {
            "backups": self._listed,
            "backup_delete": self._delete,
            "backup_key": self._key,
            "backup_key_printed": self._printed,
            "restore_discard": self._discard,
            "backup_key_check": self._key_check,
            "sticks": lambda params: self.sticks(),
            "share_password": self._share.set_password,
        }
        self.jobs: dict[str, Request] = {
            "backup_make": self._make,
            "backup_verify": self._verify,
            "backup_copy": self._copy,
            "share_try": lambda params: self._share.try_it(),
            "share_look": lambda params: self._share.look(),
            "restore_prepare": self._prepare,
            "restore_commit": self._commit,
            "repair": self._repair,
            "support": self._support,
        }

    # ------------------------------------------------------------------ requests
    def knows(self, method: str) -> bool:
        """Is this one of the methods here?"""
        return method in self.quick or method in self.jobs

    def request(self, client: int, request: object, method: str, params: Message) -> list[Effect]:
        """Answer a request, or begin its job."""
        about = {"client": client, "request": request}
        if method in self.quick:
            quick = self.quick[method]
            return [Work("status", "care", lambda: quick(params), about)]
        if self.busy:
            return [failure(client, request, "busy", "something else is being done; wait until it has ended")]
        return [result(client, request, {"job": method}), self._start(method, params)]

    @property
    def busy(self) -> bool:
        """Does a job run?"""
        return self._job is not None and self._job["ended"] is None

    def _start(self, method: str, params: Message) -> Work:
        what = str(params.get("id", "")) if method == "repair" else method
        self._job = {"what": what, "name": str(params.get("name", "")), "step": "", "percent": 0}
        self._job |= {"began": self._clock(), "ended": None, "problem": None}
        run = self.jobs[method]
        return Work(LANE, JOB, lambda: run(params), {"method": method})

    def job_done(self, value: Any, error: BaseException | None) -> str:
        """The job has ended; returns what control has to do now (see repairs.model)."""
        assert self._job is not None
        problem = None
        if error is not None:
            told = (
                error.as_dict() if isinstance(error, BackupError) else {"code": "failed", "text": str(error)}
            )
            problem = told | {"text": told["text"] or type(error).__name__}
            if not isinstance(error, BackupError | StoreError | OSError | WireError):
                log.error("%s failed", self._job["what"], exc_info=error)
        # As a whole, because other threads read it.
        self._job = self._job | {"ended": self._clock(), "problem": problem, "percent": 100}
        if isinstance(value, Path):
            self._job = self._job | {"result": str(value)}
        return value if isinstance(value, str) else NOTHING

    def _step(self, step: str, done: int, total: int) -> None:
        if self._job is not None and self._job["ended"] is None:
            percent = min(99, 100 * done // total) if total else 0
            self._job = self._job | {"step": step, "percent": percent}

    # -------------------------------------------------------------------- quick
    def _listed(self, params: Message) -> Message:
        return {
            "backups": [one.as_dict() | {"size": _size(one.path)} for one in self.catalogue()],
            "job": self._job,
            "restore": restore.summary(restore.state_of(self._home)),
            "key_on_paper": self.key_on_paper,
            "room_bytes": budget.room_bytes(self._home.root),
            "daily_problem": self._daily_problem,
            "sticks": self.sticks(),
            "share": self._share.summary(),
        }

    def catalogue(self) -> list[backup.Backup]:
        """The backups on the box."""
        return backup.catalogue(self._home.backups, self._clock())

    def _delete(self, params: Message) -> Message:
        backup.delete(backup.find(self._home, str(params.get("name", ""))))
        return {}

    def _key(self, params: Message) -> Message:
        key = backup_key.load_or_make(self._home)
        return {"groups": key.on_paper, "public": key.public, "box": platform.node()}

    def _key_check(self, params: Message) -> Message:
        own = backup_key.load(self._home)
        try:
            typed = backup_key.from_text(str(params.get("key", "")))
        except BackupError:
            return {"fits": False}
        return {"fits": own is not None and own.public == typed.public}

    @property
    def key_on_paper(self) -> bool:
        """Has somebody said that the present key is on paper?"""
        return (self._home.root / PAPER).exists()

    def _printed(self, params: Message) -> Message:
        (self._home.root / PAPER).touch()
        return {}

    def _discard(self, params: Message) -> Message:
        restore.discard(self._home)
        return {}

    def sticks(self) -> list[Message]:
        """USB sticks {name, label, free, writable, backups: [{name, size}]}; none off the flashed box."""
        found = self._system.ask("usb.list").get("sticks", [])
        own = backup_key.load(self._home)
        rows = []
        for stick in found if isinstance(found, list) else []:
            shown = {key: stick.get(key) for key in ("name", "label", "free", "size", "writable", "problem")}
            rows.append(shown | {"backups": self._backups_on(stick, own)})
        return rows

    def _backups_on(self, stick: Message, own: BackupKey | None) -> list[Message]:
        mount = self._system.mount(str(stick.get("name")))
        try:
            return copies.listed(copies.stick(mount), own.public if own else "") if mount else []
        except BackupError as error:
            log.warning("the USB stick %s cannot be read: %s", mount, error)
            return []

    # --------------------------------------------------------------------- jobs
    def _make(self, params: Message) -> str:
        made = self._made(bool(params.get("recordings")), False, str(params.get("passphrase") or ""))
        if params.get("stick") or params.get("share"):
            self._copied(made.path, params)
        return NOTHING

    def _copied(self, path: Path, params: Message) -> None:
        if params.get("share"):
            self._share.copy(path, self._step)
        else:
            copies.copy(path, self._stick(params.get("stick")), self._step)

    def _made(self, recordings: bool, automatic: bool, passphrase: str = "") -> backup.Backup:
        return backup.make(
            self._home,
            backup_key.load_or_make(self._home),
            now=self._clock(),
            version=self._version,
            box=platform.node(),
            recordings=recordings,
            automatic=automatic,
            passphrase=passphrase,
            step=self._step,
        )

    def _verify(self, params: Message) -> str:
        path = backup.find(self._home, str(params.get("name", "")))
        backup.verify_and_note(path, backup_key.load_or_make(self._home), self._clock(), self._step)
        return NOTHING

    def _copy(self, params: Message) -> str:
        self._copied(backup.find(self._home, str(params.get("name", ""))), params)
        return NOTHING

    def _prepare(self, params: Message) -> str:
        path = self._source(params)
        try:
            restore.prepare(self._home, path, self._key_for(path, params), self._step)
        except BackupError:
            if params.get("share"):  # it can be fetched again; what a browser sent stays for another key
                path.unlink(missing_ok=True)
            raise
        if path.parent == self._home.uploads:
            path.unlink(missing_ok=True)
        return NOTHING

    def _source(self, params: Message) -> Path:
        name = str(params.get("name", ""))
        if params.get("share"):
            return self._share.fetch(name, self._step)
        if params.get("stick"):
            return copies.find(self._stick(params["stick"]), name)
        if params.get("uploaded"):
            path = self._home.uploads / name
            if "/" in name or not path.is_file():
                raise BackupError("not_found", "the uploaded file is not there any more; send it again")
            return path
        return backup.find(self._home, name)

    def _key_for(self, path: Path, params: Message) -> BackupKey:
        if params.get("passphrase"):
            return backup_file.key_from_passphrase(backup_file.read_header(path), str(params["passphrase"]))
        if params.get("key"):
            return backup_key.from_text(str(params["key"]))
        return backup_key.load_or_make(self._home)

    def _commit(self, params: Message) -> str:
        restore.commit(self._home)
        return REOPEN

    def _repair(self, params: Message) -> str:
        tools = Tools(
            self._home,
            self._gate.store,
            self._clock(),
            self._version,
            platform.node(),
            self._system.call,
            self._step,
        )
        return repairs.run(str(params.get("id", "")), tools)

    def _support(self, params: Message) -> Path:
        """On the flashed box the system daemon collects it, because only root reads the journal."""
        if self._system.there:
            try:
                return Path(self._system.call("support.make", {}, SUPPORT_S)["path"])
            except WireError as error:
                log.warning("the system daemon collects no support bundle (%s); control does", error)
        return collect_support(self._home)

    def _stick(self, name: object) -> copies.Place:
        mount = self._system.mount(str(name))
        if mount is None or not mount.is_dir():
            raise BackupError("stick_gone", "the USB stick is not there any more; put it in again")
        return copies.stick(mount)

    # -------------------------------------------------------------------- daily
    def daily(self) -> Callable[[], Any] | None:
        """The daily backup, or its copy on the share, when it is due and nothing else is going on; else None.
        Reads settings."""
        store = self._gate.store
        if store is None or self.busy:
            return None
        wanted = {name: store.settings.get(f"backup.{name}") for name in DAILY}
        if not wanted["daily"] or not backup.due(self._home, self._clock(), wanted["hour"]):
            made = self._share.due()
            return (lambda: self._share.copy_daily(made, wanted["keep"], self._step)) if made else None

        def run() -> None:
            problems: list[Message] = []
            with _noting(problems, "the daily backup"):
                made = self._made(wanted["recordings"], True)
                backup.prune(self._home, wanted["keep"], self._clock())
                for stick in self.sticks() if wanted["to_stick"] else []:
                    if stick["writable"]:
                        with _noting(problems, f"the daily backup on the stick {stick['name']}"):
                            place = self._stick(stick["name"])
                            copies.copy_daily(made, place, wanted["keep"], step=self._step)
            self._daily_problem = problems[0] if problems else None

        return run

    def tidy(self) -> None:
        """Once, before the database is opened: finish a restore, clear what a start leaves behind."""
        for folder in (self._home.uploads,):
            for path in folder.glob("*"):
                path.unlink(missing_ok=True)
        try:
            restore.resume(self._home)
        except BackupError as error:
            log.error("%s", error)

    # ------------------------------------------------------------------- checks
    def findings(self, known: Facts) -> list[Message]:
        """Run every health check over what control knows and what is looked up here."""
        system, away = self._system.status()
        return checks.run(
            facts.complete(
                known,
                backups=tuple(one.as_dict() for one in self.catalogue()),
                backup_problem=self._daily_problem or {},
                share_problem=self._share.problem,
                key_on_paper=self.key_on_paper,
                restore=restore.summary(restore.state_of(self._home)),
                system=system,
                system_problem=away,
            )
        )

    def states(self) -> Message:
        """Of the database: whose copy is worked on, what was merged."""
        store = self._gate.store
        if store is None:
            return {"fallback": None, "returned": None}
        pair = {"fallback": store.fallback, "returned": store.returned}
        return {name: asdict(state) if state is not None else None for name, state in pair.items()}


DAILY = ("daily", "hour", "keep", "recordings", "to_stick")
DAILY_LOOK_S = 300.0
SUPPORT_S = 300.0


@contextmanager
def _noting(problems: list[Message], what: str) -> Iterator[None]:
    """One thing that fails must not take the others away."""
    try:
        yield
    except (BackupError, OSError) as error:
        log.error("%s: %s", what, error)
        code = error.code if isinstance(error, BackupError) else "failed"
        problems.append({"code": code, "text": str(error)})


def collect_support(home: Home) -> Path:
    """Have the collector of the image collect for this data directory. Raises BackupError."""
    command = [sys.executable, "-m", "image.box.support", "--home", str(home.root)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SUPPORT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackupError("failed", f"the support bundle cannot be collected: {error}") from error
    path = Path(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "")
    if done.returncode or not path.is_file():
        raise BackupError("failed", f"the support bundle was not made: {done.stderr.strip()[-300:]}")
    return path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # deleted meanwhile
