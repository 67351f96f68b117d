"""Call records and short messages, kept as files until control says that they are stored.

    <call>.open   a call that goes on, as last heard of it; stays until the call has ended
    <call>.json   a call that has ended; stays until it is acknowledged

A message that is being sent is open, one that came in or whose fate is known has ended.
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

from appliance.engine.reasons import reason_text

log = logging.getLogger(__name__)

WINDOW = 64
"""Records on their way to control at one time; the rest waits for acknowledgements."""

OPEN = ".open"
ENDED = ".json"
CUT_OFF = "the engine stopped during this call"

Record = dict[str, Any]
Send = Callable[[str, Record], bool]
Kept = Callable[[str], None]
CutOff = Callable[[Record, Record, float], None]
"""`cut_off(record, mended, seen_at)`: change the record into that of something that ended with the engine;
seen_at: when it was last heard of (Unix seconds)."""
Mended = Callable[[str], Record]
"""What is known of the recording of a call that was cut off: recording, recording_s, and ended_at
(Unix seconds) when its file tells; empty when there is none."""


@dataclass
class _Entry:
    record: Record
    final: bool
    on_disk: bool = True
    stored: bool = False
    """Acknowledged, and kept all the same because the call goes on."""
    unacknowledged: int = 0
    """Times sent on this connection and not acknowledged: an acknowledgement of an
    earlier version must not remove a later one."""


def cut_off_call(record: Record, mended: Record, seen_at: float) -> None:
    """A call that went on when the engine stopped ended with it."""
    record |= {key: value for key, value in mended.items() if key != "ended_at"}
    ended_at = record.get("ended_at") or max(seen_at, mended.get("ended_at", 0.0))
    record |= {"ended_at": ended_at, "end_reason": "error"}
    record["detail"] = "; ".join(filter(None, (record.get("detail", ""), CUT_OFF)))
    talking = record.get("connected_at") is not None
    if talking:
        spent_s = ended_at - record["connected_at"] - record.get("hold_s", 0.0)
        record["talk_s"] = max(record.get("talk_s", 0.0), spent_s)
    steps = record.setdefault("steps", [])
    steps.append({"at": ended_at, "what": "hangup", "reason": "error", "talked": talking})


class Spool:
    """Records waiting for control."""

    def __init__(
        self,
        folder: Path,
        send: Send,
        notice: Callable[[str, dict[str, Any]], None],
        topic: str = "record",
        cut_off: CutOff = cut_off_call,
        kept: Kept = lambda name: None,
    ) -> None:
        """`send(topic, data)` hands a message to whoever is connected, False when nobody is;
        `notice(code, data)` tells people; `kept(id)`: it is safe, on the disk or with control."""
        self._folder = folder
        self._send = send
        self._notice = notice
        self._topic = topic
        self._close = cut_off
        self._kept = kept
        self._entries: dict[str, _Entry] = {}
        self._failing = False

    @property
    def waiting(self) -> int:
        """Records not yet acknowledged (may be read from any thread)."""
        return sum(not entry.stored for entry in list(self._entries.values()))

    def load(self, mended: Mended) -> None:
        """Take over what an earlier run left. A call that went on when it was cut off ended with it."""
        for path in [*sorted(self._folder.glob(f"*{ENDED}")), *sorted(self._folder.glob(f"*{OPEN}"))]:
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                entry = _Entry(dict(found["record"]), bool(found["final"]))
                call = str(found["id"])
                seen_at = path.stat().st_mtime
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.error("%s is not a call record (%s): moved aside as .damaged", path, error)
                self._move_aside(path)
                continue
            if call in self._entries:  # the final version is there, this one had not gone yet
                self._remove(path)
                continue
            self._entries[call] = entry
            if not entry.final:
                self._cut_off(call, entry, mended(call), seen_at)
        if self._entries:
            log.info("%d of the kind %s wait for control", len(self._entries), self._topic)

    def cut_off_all(self, mended: Mended, unix_s: float) -> list[str]:
        """The engine stops: calls that go on end here. Returns which."""
        calls = [call for call, entry in self._entries.items() if not entry.final]
        for call in calls:
            entry = self._entries[call]
            self._cut_off(call, entry, mended(call), unix_s)
            self._send_entry(call, entry)
        return calls

    def _cut_off(self, call: str, entry: _Entry, mended: Record, seen_at: float) -> None:
        self._close(entry.record, mended, seen_at)
        entry.final, entry.stored = True, False
        self._write(call, entry)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def store(self, call: str, record: Record, final: bool) -> bool:
        """Keep a record and send it; a later version replaces an earlier one. False: the disk refuses it."""
        earlier = self._entries.pop(call, None)
        entry = _Entry(record, final, unacknowledged=earlier.unacknowledged if earlier else 0)
        self._entries[call] = entry
        self._write(call, entry)
        if self._in_flight() < WINDOW:
            self._send_entry(call, entry)
        return entry.on_disk

    def resend(self) -> None:
        """Send again what has not been acknowledged: control is there (again), or time has passed."""
        for call, entry in self._entries.items():
            entry.unacknowledged = 0
            if not entry.on_disk:
                self._write(call, entry)
        self._pump()

    def tell_again(self, call: str) -> None:
        """It has been stored once more: make sure that it is on the disk."""
        entry = self._entries[call]
        if entry.on_disk:
            self._kept(call)
        else:
            self._write(call, entry)

    def acknowledge(self, call: str) -> None:
        """Control has stored one version of this record."""
        entry = self._entries.get(call)
        if entry is None:
            return
        entry.unacknowledged -= 1
        self._kept(call)
        if entry.unacknowledged > 0:
            return
        if entry.final:
            del self._entries[call]
            self._remove(self._path(call, True))
        else:
            entry.stored = True
        self._pump()

    def _in_flight(self) -> int:
        return sum(1 for entry in self._entries.values() if entry.unacknowledged > 0)

    def _pump(self) -> None:
        room = WINDOW - self._in_flight()
        for call, entry in list(self._entries.items()):
            if room <= 0:
                return
            if entry.unacknowledged <= 0 and not entry.stored:
                if not self._send_entry(call, entry):
                    return
                room -= 1

    def _send_entry(self, call: str, entry: _Entry) -> bool:
        sent = self._send(self._topic, {"id": call, "record": entry.record, "final": entry.final})
        entry.unacknowledged += sent
        return sent

    def _path(self, call: str, final: bool) -> Path:
        return self._folder / f"{call}{ENDED if final else OPEN}"

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s could not be removed: %s", path, reason_text(error))

    def _move_aside(self, path: Path) -> None:
        try:
            path.rename(path.with_suffix(".damaged"))
        except OSError as error:
            log.warning("%s stays where it is: %s", path, reason_text(error))

    def _write(self, call: str, entry: _Entry) -> None:
        """Atomic and durable. When the disk refuses, the record stays in memory and is still sent."""
        path = self._path(call, entry.final)
        temporary = path.with_suffix(".tmp")
        content = {"id": call, "record": entry.record, "final": entry.final}
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            entry.on_disk = False
            log.error("%s %s could not be written: %s", self._topic, call, reason_text(error))
            if not self._failing:
                self._notice("spool_failed", {"reason": reason_text(error)})
            self._failing = True
            return
        self._failing = False
        entry.on_disk = True
        self._kept(call)
        if entry.final:
            self._remove(self._path(call, False))
