"""Finished call records, kept as files until control says that they are stored.

Everything here runs on the engine's helper thread, in order, so that nothing is locked.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.engine.recorder import reason_text

log = logging.getLogger(__name__)

WINDOW = 64
"""Records on their way to control at one time; the rest waits for acknowledgements."""

Send = Callable[[str, dict[str, Any]], bool]


@dataclass
class _Entry:
    record: dict[str, Any]
    final: bool
    unacknowledged: int = 0
    """Times sent on this connection and not acknowledged: an acknowledgement of an
    earlier version must not remove a later one."""


class Spool:
    """Records waiting for control."""

    def __init__(self, folder: Path, send: Send, notice: Callable[[str, dict[str, Any]], None]) -> None:
        """`send(topic, data)` hands a message to whoever is connected, False when nobody is;
        `notice(code, data)` tells people."""
        self._folder = folder
        self._send = send
        self._notice = notice
        self._entries: dict[str, _Entry] = {}
        self._failing = False

    @property
    def waiting(self) -> int:
        """Records not yet acknowledged (may be read from any thread)."""
        return len(self._entries)

    def load(self) -> None:
        """Take over what an earlier run left.

        A record that was not final belongs to a call that ended with that run: it is closed here.
        """
        for path in sorted(self._folder.glob("*.json")):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                entry = _Entry(dict(found["record"]), bool(found["final"]))
                call = str(found["id"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.error("%s is not a call record (%s): moved aside as .damaged", path, error)
                path.rename(path.with_suffix(".damaged"))
                continue
            if not entry.final:
                entry.final = True
                entry.record["end_reason"] = "error"
                entry.record["detail"] = "the engine stopped during this call"
                if entry.record.get("ended_at") is None:
                    entry.record["ended_at"] = path.stat().st_mtime
                self._write(call, entry)
            self._entries[call] = entry
        if self._entries:
            log.info("%d call records wait for control", len(self._entries))

    def store(self, call: str, record: dict[str, Any], final: bool) -> None:
        """Keep a record and send it; a later version replaces an earlier one."""
        earlier = self._entries.pop(call, None)
        entry = _Entry(record, final, earlier.unacknowledged if earlier else 0)
        self._entries[call] = entry
        self._write(call, entry)
        if self._in_flight() < WINDOW:
            self._send_entry(call, entry)

    def resend(self) -> None:
        """Send again what has not been acknowledged: control is there (again), or time has passed."""
        for entry in self._entries.values():
            entry.unacknowledged = 0
        self._pump()

    def acknowledge(self, call: str) -> None:
        """Control has stored one version of this record."""
        entry = self._entries.get(call)
        if entry is None:
            return
        entry.unacknowledged -= 1
        if entry.unacknowledged > 0:
            return
        del self._entries[call]
        try:
            self._path(call).unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s could not be removed: %s", self._path(call), reason_text(error))
        self._pump()

    def _in_flight(self) -> int:
        return sum(1 for entry in self._entries.values() if entry.unacknowledged > 0)

    def _pump(self) -> None:
        room = WINDOW - self._in_flight()
        for call, entry in list(self._entries.items()):
            if room <= 0:
                return
            if entry.unacknowledged <= 0:
                if not self._send_entry(call, entry):
                    return
                room -= 1

    def _send_entry(self, call: str, entry: _Entry) -> bool:
        sent = self._send("record", {"id": call, "record": entry.record, "final": entry.final})
        entry.unacknowledged += sent
        return sent

    def _path(self, call: str) -> Path:
        return self._folder / f"{call}.json"

    def _write(self, call: str, entry: _Entry) -> None:
        """Atomic and durable. When the disk refuses, the record stays in memory and is still sent."""
        path = self._path(call)
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(
                    {"id": call, "record": entry.record, "final": entry.final}, file, ensure_ascii=False
                )
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            log.error("record of call %s could not be written: %s", call, reason_text(error))
            if not self._failing:
                self._notice("spool_failed", {"reason": reason_text(error)})
            self._failing = True
        else:
            self._failing = False
