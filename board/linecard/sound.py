"""The sound half of a line card: one ALSA device that captures and plays all ports at once.

Capture paces, playback follows it. What is between mouth and ear inside the card and
its buffers stays the same for ever:

    frames waiting to be played + frames captured and not yet read = constant

The constant is measured in the first half second. After a pause of ours (a buffer ran
over or dry) the sum is off; it is set right by leaving out, or playing as silence,
whole blocks, and counted.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import alsaaudio
import numpy as np

from board.api import BLOCK_SAMPLES, SAMPLE_RATE_HZ, BoardError, Samples

PERIODS = 8
PRIME = 2
"""Blocks of silence played before the first one of ours: what a late tick may use up."""
MOST_XRUNS = 8
"""Overruns in a row without a sample between them: the device is gone or broken."""
SILENT_S = 1.0
"""A device without samples for so long is lost."""
STEADY_TICKS = 10
"""The fill is off for so many ticks before it is corrected: one look may catch the card half way."""
MEASURED_TICKS = 25
_XRUN = -32


@dataclass
class SoundCounters:
    """What went wrong since the device was opened."""

    overruns: int = 0
    """Captured samples lost because we read too late."""
    underruns: int = 0
    """Times the card had nothing to play."""
    short_writes: int = 0
    dropped_blocks: int = 0
    """Blocks of ours not played, to keep the delay."""
    silent_blocks: int = 0
    """Blocks of silence played, to keep the delay."""


class Sound:
    """Capture and playback of `channels` ports, blocks of 160 samples."""

    def __init__(
        self,
        device: str,
        channels: int,
        now_s: Callable[[], float] = time.monotonic,
        prime: int = PRIME,
    ) -> None:
        """Raises BoardError when the device is missing, busy or does not do what we need."""
        self._device = device
        self._channels = channels
        self._frame_bytes = 2 * channels
        self._now_s = now_s
        self._prime = prime
        self._capture = self._open(alsaaudio.PCM_CAPTURE)
        try:
            self._playback = self._open(alsaaudio.PCM_PLAYBACK)
        except BoardError:
            self._capture.close()
            raise
        self._playback_room: int = self._playback.info()["buffer_size"]
        self.counters = SoundCounters()
        self._part = b""
        self._unplayed = b""
        self._off_ticks = 0
        self._to_drop = 0
        self._fills: list[int] = []
        self._fill: int | None = None
        """The constant of the top, in frames; None while it is being measured."""
        self._overruns_told = 0
        self._started = self._closed = False
        self._xruns = 0
        self._frames = 0
        """Frames captured since the last start of the stream."""
        self._last_s = self._begin_s = now_s()
        self._poll = select.poll()

    def _open(self, direction: int) -> Any:
        what = "capture" if direction == alsaaudio.PCM_CAPTURE else "playback"
        try:
            pcm = alsaaudio.PCM(
                direction,
                alsaaudio.PCM_NONBLOCK,
                device=self._device,
                rate=SAMPLE_RATE_HZ,
                channels=self._channels,
                format=alsaaudio.PCM_FORMAT_S16_LE,
                periodsize=BLOCK_SAMPLES,
                periods=PERIODS,
            )
        except alsaaudio.ALSAAudioError as error:
            raise BoardError(f"sound device {self._device} cannot be opened for {what}: {error}") from error
        # Every setting is only a wish: look at what was granted.
        info = pcm.info()
        wanted = {
            "rate": SAMPLE_RATE_HZ,
            "channels": self._channels,
            "period_size": BLOCK_SAMPLES,
            "format_name": "S16_LE",
        }
        for key, value in wanted.items():
            if info.get(key) != value:
                pcm.close()
                raise BoardError(
                    f"sound device {self._device} does {what} with {key.removesuffix('_name')} "
                    f"{info.get(key)}, but {value} is needed: use the card's own device (hw:…), not a mixer"
                )
        if info["buffer_size"] < (self._prime + 2) * BLOCK_SAMPLES:
            pcm.close()
            raise BoardError(
                f"sound device {self._device} has room for {info['buffer_size']} samples in {what}, "
                f"but {(self._prime + 2) * BLOCK_SAMPLES} are needed"
            )
        return pcm

    # ---------------------------------------------------------------- start
    def start(self) -> None:
        """Prime playback, start capture, forget what is stale. Raises BoardError."""
        try:
            self._playback.write(bytes(self._prime * BLOCK_SAMPLES * self._frame_bytes))
            self._capture.read()  # Without a first read, poll never fires.
            self._begin_s = self._last_s = self._now_s()
            self._frames = 0
            self._started = True
            for descriptor, events in self._capture.polldescriptors():
                self._poll.register(descriptor, events)
        except alsaaudio.ALSAAudioError as error:
            raise self._lost(error) from error

    # -------------------------------------------------------------- capture
    def waiting(self) -> int:
        """Frames captured and not yet read (0 when the stream has to be started anew)."""
        try:
            return max(0, int(self._capture.avail())) + len(self._part) // self._frame_bytes
        except alsaaudio.ALSAAudioError as error:
            raise self._lost(error) from error

    def wait(self, timeout_s: float) -> bool:
        """Whether a block is there within `timeout_s`. Raises BoardError when the device is lost."""
        if not self._started:
            self.start()
        deadline_s = self._now_s() + timeout_s
        while True:
            # Before looking: who was held up after it must look again, not think that nothing came.
            now_s = self._now_s()
            if self._read_one():
                return True
            if now_s - self._last_s > SILENT_S:
                raise BoardError(f"sound device {self._device} has given no samples for {SILENT_S:g} s")
            if now_s >= deadline_s:
                return False
            if not self._poll.poll(max(1, round((deadline_s - now_s) * 1000))):
                continue
            if 0 <= self.waiting() < BLOCK_SAMPLES:
                # Woken for less than a block: do not ask again and again.
                time.sleep(0.001)

    def _read_one(self) -> bool:
        """Take what is there into `_part`; whether it holds a block now."""
        need = BLOCK_SAMPLES * self._frame_bytes
        while len(self._part) < need:
            try:
                count, data = self._capture.read()
            except alsaaudio.ALSAAudioError as error:
                raise self._lost(error) from error
            if count == _XRUN:
                self._overrun()
            elif count < 0:
                raise BoardError(f"sound device {self._device} failed with error {-count} while capturing")
            elif count == 0:
                return False
            else:
                self._xruns = 0
                self._last_s = self._now_s()
                self._part += data
        return True

    def _overrun(self) -> None:
        self._xruns += 1
        self.counters.overruns += 1
        if self._xruns >= MOST_XRUNS:
            raise BoardError(
                f"sound device {self._device} reports overruns for ever: it was pulled out or is broken"
            )
        # pyalsaaudio has prepared the stream again; it starts with the next read.
        self._part = b""

    def read(self) -> tuple[Samples, int]:
        """Next block int16 [channels, 160] and the samples lost before it. Call after `wait` was True."""
        size = BLOCK_SAMPLES * self._frame_bytes
        block, self._part = self._part[:size], self._part[size:]
        lost = self._lost_samples()
        self._frames += BLOCK_SAMPLES + lost
        return np.frombuffer(block, "<i2").reshape(BLOCK_SAMPLES, self._channels).T, lost

    def _lost_samples(self) -> int:
        """Samples missed in overruns since the last block, by the time that passed, in whole blocks."""
        if self.counters.overruns == self._overruns_told:
            return 0
        self._overruns_told = self.counters.overruns
        due = round((self._now_s() - self._begin_s) * SAMPLE_RATE_HZ) - self._frames - BLOCK_SAMPLES
        return max(0, due // BLOCK_SAMPLES * BLOCK_SAMPLES)

    # ------------------------------------------------------------- playback
    def write(self, audio: Samples) -> None:
        """Play one block int16 [channels, 160]. Raises BoardError when the device is lost."""
        if not self._started:
            self.start()
        blocks = self._correction()
        if blocks < 0:
            self._to_drop = -blocks
        if self._to_drop:
            self._to_drop -= 1
            self.counters.dropped_blocks += 1
            return
        if blocks > 0:
            self.counters.silent_blocks += blocks
            self._play(bytes(blocks * BLOCK_SAMPLES * self._frame_bytes))
        self._play(np.ascontiguousarray(audio.T, "<i2").tobytes())

    def _correction(self) -> int:
        """Blocks of silence to add (negative: blocks to leave out) so that the delay stays what it was."""
        try:
            free, waiting = self._playback.avail(), self._capture.avail()
        except alsaaudio.ALSAAudioError as error:
            raise self._lost(error) from error
        if free < 0 or waiting < 0 or self._to_drop:
            return 0  # An xrun shows itself in the next read or write.
        at_hand = (len(self._unplayed) + len(self._part)) // self._frame_bytes
        fill: int = self._playback_room - free + waiting + at_hand
        if self._fill is None:
            self._fills.append(fill)
            if len(self._fills) == MEASURED_TICKS:
                self._fill = sorted(self._fills)[MEASURED_TICKS // 2]
            return 0
        off = fill - self._fill
        if abs(off) <= BLOCK_SAMPLES // 2:
            self._off_ticks = 0
            return 0
        self._off_ticks += 1
        if self._off_ticks < STEADY_TICKS:
            return 0
        self._off_ticks = 0
        return -round(off / BLOCK_SAMPLES)

    def _after_dry(self) -> int:
        """Blocks of silence to begin with after the card has played everything."""
        self.counters.underruns += 1
        self._fills.clear()
        self._off_ticks = STEADY_TICKS
        if self._fill is None:
            return self._prime
        return max(0, round((self._fill - self.waiting()) / BLOCK_SAMPLES))

    def _play(self, data: bytes) -> None:
        data = self._unplayed + data
        self._unplayed = b""
        for _ in range(2):
            try:
                written = self._playback.write(data)
            except alsaaudio.ALSAAudioError as error:
                raise self._lost(error) from error
            if written == _XRUN:
                data = bytes(self._after_dry() * BLOCK_SAMPLES * self._frame_bytes) + data
                continue
            if written < 0:
                raise BoardError(f"sound device {self._device} failed with error {-written} while playing")
            rest = data[written * self._frame_bytes :]
            if rest:
                self.counters.short_writes += 1
            # More than the card can ever hold is not kept: the delay is set right later.
            self._unplayed = rest[: PERIODS * BLOCK_SAMPLES * self._frame_bytes]
            return
        # Dry again at once; the next block tries anew, and a dead device shows in the capture.

    # ------------------------------------------------------------------ end
    def _lost(self, error: Exception) -> BoardError:
        return BoardError(f"sound device {self._device} was lost: {error}")

    def close(self) -> None:
        """Release the device. Idempotent."""
        self._started = False
        if self._closed:
            return
        self._closed = True
        # Closing would wait until everything is played, for ever on a card that plays no more.
        with contextlib.suppress(alsaaudio.ALSAAudioError):
            self._playback.drop()
        for pcm in (self._capture, self._playback):
            pcm.close()
