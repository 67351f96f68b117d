"""What `status` says: engine, database, plan, disk, spool, versions, each with a sentence."""

from __future__ import annotations

import platform
import sqlite3
from collections import deque
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from appliance.control.compile import Ports
from appliance.control.effects import Message, ToClient
from appliance.control.records import Records
from appliance.paths import Home
from appliance.services import disk
from appliance.services.checks.model import Facts
from appliance.store import SETTINGS, Store, StoreError

MOST_NOTICES = 100

ADVICE_DATABASE = (
    "calls go on and their records wait with the engine; the box tries again every few seconds. "
    "If this does not end by itself, restore a backup or call support"
)


@dataclass(frozen=True)
class Probe:
    """What had to be looked up on the disk. spool: call records that wait with the engine."""

    disk: disk.DiskState = field(default_factory=lambda: disk.DiskState("unknown"))
    spool: int = 0
    schema: int | None = None
    backup_daily: bool = True


def probe(home: Home, store: Store | None) -> Probe:
    """Look. Uses the default limits while the database cannot be read."""
    limits = {key: SETTINGS[key].default for key in ("disk.warn_percent", "disk.alarm_percent")}
    schema, daily = None, True
    if store is not None:
        try:
            daily = store.settings.get("backup.daily")
            limits = {key: store.settings.get(key) for key in limits}
            schema = store.version
        except StoreError:
            schema = None  # the status says already what is wrong with the database
    state = disk.measure(home.root, limits["disk.warn_percent"], limits["disk.alarm_percent"])
    return Probe(state, sum(1 for _ in home.spool.glob("*.json")), schema, daily)


def event(client: int, topic: str, data: Message) -> ToClient:
    """One event for one subscriber."""
    return ToClient(client, {"event": topic, "data": data})


class Health:
    """Facts that the status is put together from."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.engine_health: Message = {}
        self.probe = Probe()
        self.retention_problems: list[str] = []
        self._notices: deque[Message] = deque(maxlen=MOST_NOTICES)
        self._engine: Message = {"up": False, "since": started_at, "problem": "not connected yet"}

    def engine(self, up: bool, at: float, why: str) -> None:
        """The engine came or went."""
        if up != self._engine["up"]:
            self._engine["since"] = at
        self._engine |= {"up": up, "problem": why}

    def notice(self, notice: Message) -> None:
        """Something that people should know."""
        self._notices.append(notice)

    def hardware(self) -> Message:
        """Cards, ports and their work as the engine last told; `notices`: the last ones, newest first."""
        return {
            "engine": dict(self._engine),
            "health": self.engine_health if self._engine["up"] else {},
            "notices": list(self._notices)[::-1],
        }

    def ports(self) -> Ports | None:
        """The board's ports as the engine's `health` names them; None while it has not, or while a card is
        being opened, whose ports are still to come."""
        listed, cards = self.engine_health.get("sockets"), self.engine_health.get("hardware")
        if not isinstance(listed, list):
            return None
        if any(isinstance(card, dict) and card.get("state") == "opening" for card in cards or ()):
            return None
        names: dict[str, list[str]] = {"FXO": [], "FXS": []}
        for port in listed:
            if isinstance(port, dict) and port.get("kind") in names and isinstance(port.get("name"), str):
                names[port["kind"]].append(port["name"])
        country = self.engine_health.get("country")
        return Ports(tuple(names["FXO"]), tuple(names["FXS"]), country if isinstance(country, str) else "")

    def summary(self, database_problem: str, plan: Message) -> Message:
        """What changes rarely; sent to subscribers whenever it does."""
        return {
            "engine": dict(self._engine),
            "database": {
                "ok": not database_problem,
                "problem": database_problem,
                "advice": ADVICE_DATABASE if database_problem else "",
            },
            "plan": plan,
            "disk": {"level": self.probe.disk.level, "problem": self.probe.disk.problem},
            "maintenance": bool(database_problem),
        }

    def details(self, records: Records, messages: Records) -> Message:
        """What is looked up when somebody asks."""
        return {
            "started_at": self.started_at,
            "engine_health": self.engine_health,
            "disk": self.probe.disk.as_dict(),
            "spool": self.probe.spool,
            "records": records.state(),
            "messages": messages.state(),
            "retention_problems": list(self.retention_problems),
            "versions": {
                "zongji": own_version(),
                "schema": self.probe.schema,
                "sqlite": sqlite3.sqlite_version,
                "python": platform.python_version(),
            },
        }

    def facts(
        self, now: float, summary: Message, details: Message, live: Message, database: Message
    ) -> Facts:
        """What the health checks look at, as far as it is here. now: Unix seconds."""
        return Facts(
            now=now,
            database_problem=summary["database"]["problem"],
            plan=summary["plan"],
            disk=details["disk"],
            engine=summary["engine"],
            engine_health=self.engine_health,
            lines=tuple(live.get("lines", ())),
            records=details["records"],
            messages=details["messages"],
            retention_problems=tuple(self.retention_problems),
            started_at=self.started_at,
            backup_daily=self.probe.backup_daily,
            **database,
        )


def own_version() -> str:
    """Version of this program."""
    try:
        return version("zongji")
    except PackageNotFoundError:
        return "unknown"
