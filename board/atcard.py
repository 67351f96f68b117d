"""What voice modems and cellular modules have in common as cards: one line, driven by AT commands.

The card moves bytes between its wires and a machine that understands them, opens
the wires anew when the device has hung or gone, and keeps the pace.

    pace    on hook           a block every 20 ms of the machine's clock
            sound arriving    a block whenever 160 samples are there: the device's own clock
"""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from board.api import (
    BLOCK_SAMPLES,
    SAMPLE_RATE_HZ,
    BoardError,
    CardCaps,
    Command,
    CommandFailed,
    LineMeasure,
    PortBack,
    PortEvent,
    PortGone,
    PortInfo,
    PortKind,
    RingOff,
    RingOn,
    Samples,
    Tick,
)
from board.atport import RealTime, Time, Wire, WireLost
from board.door import Door
from board.elastic import SampleQueue

log = logging.getLogger(__name__)

BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE_HZ
MOST_BEHIND_S = 0.2
SOUND_LATE_S = 3 * BLOCK_S
SETTLE_S = 5.0
"""So long opening waits for the device to be ready; later it is a port that has gone."""
REOPEN_AFTER_S = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0)
"""Pauses before the attempts to reach a device that was lost; a module needs about 20 s to boot."""
STEADY_S = 60.0
"""A device that has worked so long has all its attempts again."""
DOOR_PATIENCE_S = 60.0
"""A device that takes longer to be closed or opened is given up; the kernel's own patience is 30 s."""
CLOSE_S = 2.0
MOST_UNSENT_BYTES = 4096
BURST_S = 1.0
"""Length given to a ring burst, of which AT devices report the beginning alone."""


Wires = tuple[Wire, ...]
"""The control wire, and that of the sound where there is one."""


class Machine(Protocol):
    """What understands the device. Holds no port and no clock.

    trouble: why the line cannot be used, for people. lost_contact: the wires must be opened anew.
    events: what happened, clock not filled in. received: sound from the far end.
    """

    trouble: str
    lost_contact: bool
    events: deque[PortEvent]
    received: SampleQueue

    @property
    def ready(self) -> bool:
        """Whether the line can be used."""

    @property
    def can(self) -> frozenset[str]:
        """Capabilities of the port, as far as known now."""

    @property
    def streaming(self) -> bool:
        """Sound flows now."""

    def start(self, now_s: float) -> None:
        """The wires are open: set the device up."""

    def stop(self, reason: str) -> None:
        """The wires are closed: commands under way fail, calls end."""

    def feed(self, data: bytes, now_s: float) -> None:
        """Bytes from the control wire."""

    def tick(self, now_s: float) -> None:
        """Let time pass."""

    def outgoing(self, now_s: float) -> bytes:
        """Bytes for the control wire."""

    def command(self, number: int, command: Command, now_s: float) -> None:
        """Carry out a command; its result comes as an event."""

    def say(self, samples: Samples) -> None:
        """One block for the far end; unheard when there is no call."""

    def farewell(self) -> bytes:
        """Last bytes before the card is closed: hang up."""

    def measure(self) -> LineMeasure:
        """What is known of the line."""

    def describe(self) -> str:
        """Make and firmware, as far as known."""


class Rings:
    """Ring bursts out of "RING" results, which tell the beginning alone."""

    def __init__(self, events: deque[PortEvent]) -> None:
        self._events = events
        self._off_at_s: float | None = None

    def burst(self, now_s: float) -> None:
        """It rings."""
        if self._off_at_s is None:
            self._events.append(RingOn(0, 0))
        self._off_at_s = now_s + BURST_S

    def tick(self, now_s: float) -> None:
        """End a burst whose time is over."""
        if self._off_at_s is not None and now_s >= self._off_at_s:
            self.stop()

    def stop(self) -> None:
        """It rings no more."""
        if self._off_at_s is not None:
            self._off_at_s = None
            self._events.append(RingOff(0, 0))


class AtCard:
    """A card with one FXO port. Never blocks for longer than a tick once open; opening anew and closing
    what was lost is done by the `Door`'s thread."""

    scheme = "at"
    steady = False
    grain = BLOCK_SAMPLES
    """Sound arrives in pieces of about a block (see `board.clocks.Waitable`)."""

    def __init__(
        self,
        card_id: str,
        machine: Machine,
        open_wire: Callable[[], Wire],
        time: Time | None = None,
        open_sound: Callable[[], Wire] | None = None,
        door: Door[Wires] | None = None,
    ) -> None:
        """Opens the wire and waits up to 5 s for the device. Raises BoardError when it cannot be opened.

        open_sound: of a second wire, for sound. door: with a time of its own, things are opened and closed
        at once unless a door is given.
        """
        self._id = card_id
        self._machine = machine
        self._open_wire = open_wire
        self._open_sound = open_sound
        self._door: Door[Wires] = door or Door(card_id, threaded=time is None)
        self._time: Time = time or RealTime()
        self._clock = 0
        self.epoch = 0
        """Changes when another crystal, or the machine's clock, has begun to pace."""
        self._by_sound = False
        self._unsent = bytearray()
        self._number = 0
        self._told = ""
        self._dead = ""
        self._closed = False
        self._attempts = 0
        self._ready_since_s: float | None = None
        self._reopen_at_s = 0.0
        self._door_by_s = 0.0
        self._wire: Wire | None = None
        self._sound: Wire | None = None
        now_s = self._time.now_s()
        self._last_s = self._due_s = now_s
        try:
            self._install(self._open(), now_s)
        except WireLost as error:
            raise BoardError(f"{self.scheme}: {error}") from error
        try:
            self._settle(now_s + SETTLE_S)
        except BaseException:
            self.close()
            raise
        self._ports = (PortInfo(0, PortKind.FXO, f"{card_id}/0", machine.can),)

    # ------------------------------------------------------------ Board
    @property
    def id(self) -> str:
        """Stable name."""
        return self._id

    @property
    def caps(self) -> CardCaps:
        """Rate, block size and what the device says of itself."""
        return CardCaps(firmware=self._machine.describe(), features=frozenset({self.scheme}))

    @property
    def ports(self) -> Sequence[PortInfo]:
        """The one line."""
        return self._ports

    def health(self) -> dict[str, Any]:
        """What the queue between the device's clock and the tick has cost since the start."""
        queue = self._machine.received
        return {"slipped_samples": queue.slipped_samples, "underruns": queue.underruns}

    def wait(self, timeout_s: float) -> bool:
        """Whether a block is there within `timeout_s`. Raises BoardError when the device is given up."""
        self._need_open()
        until_s = self._time.now_s() + timeout_s
        while True:
            self._pump()
            if self._dead:
                raise BoardError(self._dead)
            now_s = self._time.now_s()
            left_s = self._block_due_s() - now_s
            if left_s <= 0:
                return True
            if now_s >= until_s:
                return False
            self._time.wait(self._wires(), min(left_s, until_s - now_s))

    def waiting(self) -> int:
        """Samples captured and not yet read."""
        if self._by_sound and self._machine.streaming:
            return len(self._machine.received)
        since_s = self._time.now_s() - (self._due_s - BLOCK_S)
        return max(0, min(BLOCK_SAMPLES, int(since_s * SAMPLE_RATE_HZ)))

    def read(self) -> Tick:
        """Next block; waits for it. Raises BoardError when the device is given up."""
        while not self.wait(SOUND_LATE_S):
            pass
        self._set_pace()
        audio, lost = np.zeros(BLOCK_SAMPLES, np.int16), 0
        if self._machine.streaming:
            audio, lost = self._machine.received.take()
        self._tell_state()
        end = self._clock + BLOCK_SAMPLES
        events = tuple(dataclasses.replace(event, clock=end) for event in self._machine.events)
        self._machine.events.clear()
        tick = Tick(self._clock, audio.reshape(1, BLOCK_SAMPLES), events, lost)
        self._clock = end
        self._last_s = self._time.now_s()
        return tick

    def write(self, audio: Samples) -> None:
        """Samples int16 [1, 160]; BoardError for any other shape or type."""
        self._need_open()
        if audio.shape != (1, BLOCK_SAMPLES) or audio.dtype != np.int16:
            raise BoardError(
                f"write needs int16 samples [1, {BLOCK_SAMPLES}], not {audio.dtype} {list(audio.shape)}"
            )
        self._machine.say(audio[0])
        if self._machine.streaming:
            self._pump()

    def command(self, port: int, command: Command) -> int:
        """Queue a command; its result comes as an event."""
        self._need_open()
        if port != 0:
            raise BoardError(f"port {port} does not exist: the card has port 0 alone")
        self._number += 1
        if not self._machine.ready:
            why = self._told or self._machine.trouble or "the device is being set up"
            self._machine.events.append(CommandFailed(0, 0, self._number, why))
        else:
            self._machine.command(self._number, command, self._time.now_s())
        return self._number

    def measure(self, port: int) -> LineMeasure:
        """What the device tells of its line."""
        self._need_open()
        if port != 0:
            raise BoardError(f"port {port} does not exist: the card has port 0 alone")
        return self._machine.measure()

    def close(self) -> None:
        """Hang up and release the device; waits up to 2 s for it. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._wire is not None:
            try:
                self._wire.write(self._machine.farewell())
            except WireLost as error:
                log.info("card %s: could not hang up at the end: %s", self._id, error)
        self._release()
        self._door.shut(_close_all)
        self._door.wait(CLOSE_S)

    # ------------------------------------------------- for cards with a second wire
    def _pump_more(self, now_s: float) -> None:
        """Move sound of a second wire. Raises WireLost."""

    def _wires(self) -> list[Wire]:
        return [self._wire] if self._wire is not None else []

    # ------------------------------------------------------------------ pace
    def _settle(self, until_s: float) -> None:
        while not self._machine.ready and not self._machine.trouble and self._wire is not None:
            self._pump()
            now_s = self._time.now_s()
            if now_s >= until_s:
                break
            self._time.wait(self._wires(), min(BLOCK_S, until_s - now_s))
        self._last_s = self._due_s = self._time.now_s()

    def _block_due_s(self) -> float:
        """When the next block is there, as far as known; a moment that has passed for now."""
        if not self._machine.streaming:
            return self._due_s
        if self._machine.received.ready:
            return 0.0
        return self._last_s + SOUND_LATE_S if self._machine.received.flowing else self._due_s

    def _set_pace(self) -> None:
        """A block is given now: when is the next one due, and by whose clock?"""
        now_s = self._time.now_s()
        by_sound = self._machine.streaming and self._machine.received.ready
        if by_sound != self._by_sound:
            self._by_sound = by_sound
            self.epoch += 1
        self._due_s = now_s + BLOCK_S if by_sound else self._due_s + BLOCK_S
        # Behind is fine: who catches up after a late tick must not be held back here.
        if now_s - self._due_s > MOST_BEHIND_S:
            self._due_s = now_s

    # ----------------------------------------------------------------- bytes
    def _pump(self) -> None:
        now_s = self._time.now_s()
        if self._wire is None:
            self._reopen(now_s)
            return
        try:
            data = self._wire.read()
            if data:
                self._machine.feed(data, now_s)
            self._machine.tick(now_s)
            if len(self._unsent) < MOST_UNSENT_BYTES:
                self._unsent += self._machine.outgoing(now_s)
            if self._unsent:
                del self._unsent[: self._wire.write(bytes(self._unsent))]
            self._pump_more(now_s)
        except WireLost as error:
            self._lose(str(error), now_s)
            return
        if self._machine.lost_contact:
            self._lose(self._machine.trouble or "the device does not answer", now_s)

    def _open(self) -> Wires:
        """All wires. May block; changes nothing of the card. Raises WireLost."""
        wire = self._open_wire()
        if self._open_sound is None:
            return (wire,)
        try:
            return (wire, self._open_sound())
        except WireLost:
            wire.close()
            raise

    def _install(self, wires: Wires, now_s: float) -> None:
        """Use wires that have been opened."""
        self._wire = wires[0]
        self._sound = wires[1] if len(wires) > 1 else None
        self._unsent.clear()
        self._machine.start(now_s)

    def _release(self) -> None:
        """Let the wires be closed."""
        wires = tuple(wire for wire in (self._wire, self._sound) if wire is not None)
        self._wire = self._sound = None
        if wires:
            self._door.close(lambda: _close_all(wires))

    def _lose(self, why: str, now_s: float) -> None:
        log.warning("card %s: %s", self._id, why)
        self._release()
        self._door_by_s = now_s + DOOR_PATIENCE_S
        self._machine.stop(why)
        if self._ready_since_s is not None and now_s - self._ready_since_s >= STEADY_S:
            self._attempts = 0
        self._ready_since_s = None
        if self._attempts >= len(REOPEN_AFTER_S):
            self._dead = f"{why}; given up after {self._attempts} attempts to open it again"
            return
        self._reopen_at_s = now_s + REOPEN_AFTER_S[self._attempts]
        self._attempts += 1

    def _reopen(self, now_s: float) -> None:
        if self._dead or now_s < self._reopen_at_s:
            return
        try:
            if not self._door.opening and not self._door.busy:
                self._door_by_s = now_s + DOOR_PATIENCE_S
                self._door.open(self._open)
            wires = self._door.take() if self._door.opening else None
        except WireLost as error:
            self._lose(str(error), now_s)
            return
        if wires is not None:
            self._install(wires, now_s)
        elif now_s >= self._door_by_s:
            what = "be opened" if self._door.opening else "be closed"
            self._dead = f"the device cannot {what}: pull it out and plug it in again"

    def _tell_state(self) -> None:
        machine = self._machine
        if machine.ready:
            self._ready_since_s = self._last_s if self._ready_since_s is None else self._ready_since_s
            if self._told:
                self._told = ""
                machine.events.append(PortBack(0, 0))
            return
        why = machine.trouble or self._told or "the device is being set up"
        if why != self._told:
            self._told = why
            machine.events.append(PortGone(0, 0, why))

    def _need_open(self) -> None:
        if self._closed:
            raise BoardError(f"the card {self._id} has been closed: open it again")


def _close_all(wires: Wires) -> None:
    for wire in wires:
        wire.close()
