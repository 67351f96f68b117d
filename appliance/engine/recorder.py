"""Recordings: one WAV file per call.

The tick thread mixes what the ports say and hear into a ring of the last second; once
a second each recording's part of it goes to the helper thread, which alone touches files.
A full or read-only disk costs the recording, never the call.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.engine import wavfile
from appliance.engine.reasons import reason_text
from appliance.engine.worker import Worker

log = logging.getLogger(__name__)

BLOCK = 160
FLUSH_BLOCKS = 50
"""One second between writes: what a power cut may cost."""

RESERVE_BYTES = 64 << 20
"""So much of the disk is left to what calls need; recordings do without it."""
MAX_WAITING_BYTES = 32 << 20
"""Samples that may wait for a stuck disk (2,000 s of one call) before recordings are cut."""

_OPEN_SUFFIX = ".recording"

Float = NDArray[np.float32]


@dataclass
class _Tape:
    """One recording as the helper thread sees it."""

    call: str
    relative: str
    file: wavfile.GrowingWav | None = None
    seconds: float = 0.0
    problem: str = ""
    failures_before: int = 0
    """Recordings that had failed when this one was begun."""


@dataclass(eq=False)
class _Slot:
    """One recording as the tick thread sees it."""

    tape: _Tape
    row: int
    since: int
    """Blocks from this one on have not been handed over: all of this row, or all paused."""
    turn: int
    """Block of the second after which it is handed over."""
    paused: bool = False


class Recorder:
    """Taps, and the files behind them.

    `problems` is filled from the helper thread with (call, reason) and read by the tick; reason ""
    says that recording works again.
    """

    def __init__(self, root: Path, recordings: Path, spool: Path, rows: int, worker: Worker) -> None:
        """root: data directory, to which the paths in records are relative; rows: ports in the matrix."""
        self._root = root
        self._recordings = recordings
        self._spool = spool
        self._worker = worker
        self.problems: deque[tuple[str, str]] = deque(maxlen=1000)
        self.lost_blocks = 0
        self._waiting_bytes = 0
        self._written_bytes = 0
        self._failures = 0
        self._failing = False
        self._slots: dict[str, _Slot] = {}
        """By call."""
        self._turns: list[list[_Slot]] = [[] for _ in range(FLUSH_BLOCKS)]
        self._tapes: dict[str, _Tape] = {}
        self._rows = rows
        self._mix: Float = np.zeros((rows, BLOCK), np.float32)
        self._ring = np.zeros((rows, FLUSH_BLOCKS, BLOCK), np.int16)
        self._taken = 0
        """Blocks that have gone into the ring."""

    # ------------------------------------------------------------ tick thread
    @property
    def active(self) -> int:
        """Recordings in progress."""
        return len(self._slots)

    def start(self, call: str, row: int, unix_s: float) -> None:
        """Record matrix row `row` for `call`; a second start of one call moves its tap to another row."""
        if (slot := self._slots.get(call)) is not None:
            self._hand_over(slot)
            slot.row = row
            return
        if len(self._slots) == self._rows:
            self.problems.append((call, "more recordings than ports"))
            return
        day = time.strftime("%Y/%m/%d", time.gmtime(unix_s))
        path = self._recordings / day / f"{call}.wav"
        tape = _Tape(call, str(path.relative_to(self._root)))
        self._slots[call] = slot = _Slot(tape, row, self._taken, self._taken % FLUSH_BLOCKS)
        self._turns[slot.turn].append(slot)
        self._tapes[call] = tape
        self._worker.submit(lambda: self._open(tape, path))

    def pause(self, call: str, paused: bool) -> None:
        """Write silence instead of sound, or sound again."""
        if (slot := self._slots.get(call)) is not None:
            self._hand_over(slot)
            slot.paused = paused

    def stop(self, call: str, without_last_s: float = 0.0) -> None:
        """Close the recording of `call`, and take its last seconds away.

        Unknown calls are ignored: not every call is recorded."""
        slot = self._slots.pop(call, None)
        if slot is None:
            return
        self._turns[slot.turn].remove(slot)
        self._hand_over(slot)
        self._worker.submit(lambda: self._close(slot.tape, without_last_s))

    def stop_all(self) -> None:
        """Close every recording (the engine stops)."""
        for call in list(self._slots):
            self.stop(call)

    def tap(self, heard: Float, said: Float) -> None:
        """Take this tick's samples, each float32 [rows, 160] on the 16-bit scale."""
        if not self._slots:
            return
        np.add(heard, said, out=self._mix)
        np.clip(self._mix, -32768.0, 32767.0, out=self._mix)
        np.copyto(self._ring[:, self._taken % FLUSH_BLOCKS], self._mix, casting="unsafe")
        self._taken += 1
        for slot in self._turns[self._taken % FLUSH_BLOCKS]:
            self._hand_over(slot)

    def _hand_over(self, slot: _Slot) -> None:
        """Give the helper what it has not got yet of this recording."""
        count, begin = self._taken - slot.since, slot.since % FLUSH_BLOCKS
        slot.since = self._taken
        if not count:
            return
        tape, ring = slot.tape, self._ring[slot.row]
        if slot.paused:
            data = bytes(count * ring[0].nbytes)
        else:
            around = max(0, begin + count - FLUSH_BLOCKS)
            data = ring[begin : begin + count].tobytes() + ring[:around].tobytes()
        if self._waiting_bytes - self._written_bytes > MAX_WAITING_BYTES:
            self.lost_blocks += count
            self._worker.submit(lambda: self._fail(tape, "the disk is too slow"))
            return
        self._waiting_bytes += len(data)
        self._worker.submit(lambda: self._append(tape, data))

    # ---------------------------------------------------------- helper thread
    def describe(self, call: str, forget: bool) -> dict[str, Any]:
        """What the record shall say of the recording; runs on the helper thread, after its writes.

        Returns recording (path relative to the data directory, "" when there is none), recording_s and,
        when something went wrong, problem.
        """
        tape = self._tapes.pop(call, None) if forget else self._tapes.get(call)
        if tape is None:
            return {}
        found: dict[str, Any] = {
            "recording": tape.relative if tape.seconds else "",
            "recording_s": tape.seconds,
        }
        if tape.problem:
            where = f"stops at {tape.seconds:.1f} s" if tape.seconds else "none"
            found["problem"] = f"recording: {where}, {tape.problem}"
        return found

    def repair(self) -> dict[str, dict[str, Any]]:
        """Mend recordings that a power cut left open. Runs on the helper thread at start.

        Returns by call what its record shall say: recording, recording_s, and as ended_at when the
        file was written last (Unix seconds); nothing for a recording that had not begun. Call `forget`
        with them when the records are on the disk.
        """
        mended: dict[str, dict[str, Any]] = {}
        for marker in sorted(self._spool.glob(f"*{_OPEN_SUFFIX}")):
            call = marker.name.removesuffix(_OPEN_SUFFIX)
            try:
                relative = marker.read_text(encoding="utf-8").strip()
                path = self._root / relative
                mended[call] = {}
                if relative and path.exists():
                    written_at = path.stat().st_mtime
                    seconds = wavfile.repair(path)
                    log.info("recording %s was cut off: mended, %.1f s", relative, seconds)
                    if seconds:
                        mended[call] = {
                            "recording": relative,
                            "recording_s": seconds,
                            "ended_at": written_at,
                        }
                    else:
                        self._remove_empty(path)
            except OSError as error:
                log.warning("recording named by %s could not be mended: %s", marker.name, reason_text(error))
        return mended

    def forget(self, call: str) -> None:
        """The record of this call tells of its recording: nothing is left to be mended. Helper thread."""
        marker = self._marker(call)
        try:
            marker.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s could not be removed: %s", marker, reason_text(error))

    def _marker(self, call: str) -> Path:
        return self._spool / f"{call}{_OPEN_SUFFIX}"

    def _open(self, tape: _Tape, path: Path) -> None:
        tape.failures_before = self._failures
        try:
            self._require_room()
            self._marker(tape.call).write_text(tape.relative, encoding="utf-8")
            tape.file = wavfile.GrowingWav(path)
        except OSError as error:
            self._fail(tape, reason_text(error))

    def _append(self, tape: _Tape, data: bytes) -> None:
        self._written_bytes += len(data)
        if tape.file is None or tape.problem:
            return
        try:
            self._require_room()
            tape.file.append(data)
        except OSError as error:
            self._fail(tape, reason_text(error))
        else:
            # A file that was open before the trouble began proves nothing: new ones may still fail.
            if self._failing and tape.failures_before == self._failures:
                self._failing = False
                self.problems.append((tape.call, ""))
        tape.seconds = tape.file.data_bytes / 2 / wavfile.RATE_HZ

    def _require_room(self) -> None:
        """Recording stops before the disk is full, so that records, the database and the plan still fit.
        Raises OSError."""
        disk = os.statvfs(self._root)
        if disk.f_bavail * disk.f_frsize < RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _close(self, tape: _Tape, without_last_s: float) -> None:
        if tape.file is None:
            return
        # One that broke off has not got its end.
        if without_last_s > 0 and not tape.problem:
            try:
                tape.file.cut(round(without_last_s * wavfile.RATE_HZ))
            except OSError as error:
                self._fail(tape, reason_text(error))
            tape.seconds = tape.file.data_bytes / 2 / wavfile.RATE_HZ
        tape.file.close()
        tape.file = None
        if not tape.seconds:
            self._remove_empty(self._root / tape.relative)

    def _remove_empty(self, path: Path) -> None:
        """A file without a sound is no recording, and no record names it."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the empty recording %s could not be removed: %s", path, reason_text(error))

    def _fail(self, tape: _Tape, reason: str) -> None:
        """The rest of this recording is lost; what has been written stays playable."""
        if not tape.problem:
            tape.problem = reason
            self._failing = True
            self._failures += 1
            self.problems.append((tape.call, reason))
