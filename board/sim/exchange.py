"""A line at the exchange: who is on it, and what the exchange does to it.

         call arrives            box closes the loop           far end hangs up
    IDLE ───► OFFERED ─► RINGING ───────► TALKING ───────────────► FAR_GONE
      │                                     ▲                   (cues until release)
      └─ loop closed ─► DIAL_TONE ─► DIGITS ─► ROUTING ─► FAR_RINGING
                             │                   └─► TONE (busy, congestion, …)
                             └ nothing dialled ─► TONE ─► howler ─► silence

An open loop longer than the country's `release_ms` leads back to IDLE from anywhere.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol

import numpy as np

from board.sim import callerid, dtmf, fsk
from board.sim.callerid import Identity
from board.sim.config import LineConfig
from board.sim.dtmf_receiver import DtmfReceiver
from board.sim.fxo import FxoPort
from board.sim.levels import BLOCK, Float, Int16, gain_of, samples_of_ms, samples_of_s
from board.sim.schedule import Timer
from board.sim.tones import Player
from board.sim.world import World

POST_DIAL_DELAY_MS = 800
FSK_AFTER_RING_MS = 600
BEFORE_RING_GAP_MS = 300
PULSE_MAX_MS = 120
PULSE_DIGIT_END_MS = 300
SETTLE_MS = 15
"""Shorter breaks of the loop are contact bounce."""


class LineState(Enum):
    """See the picture at the top of this module."""

    IDLE = "idle"
    OFFERED = "offered"
    RINGING = "ringing"
    DIAL_TONE = "dial_tone"
    DIGITS = "digits"
    ROUTING = "routing"
    FAR_RINGING = "far_ringing"
    TALKING = "talking"
    TONE = "tone"
    FAR_GONE = "far_gone"


class Party(Protocol):
    """The other end of a call: an outside telephone."""

    behaviour: str

    def ring(self, line: ExchangeLine, t: int) -> bool:
        """A call comes in; False when engaged."""

    def connected(self, line: ExchangeLine, t: int) -> None:
        """The two sides can talk."""

    def released(self, t: int) -> None:
        """The box has let go of a call that was talking or ringing."""


class Directory(Protocol):
    """Who has which number."""

    def find(self, number: str) -> Party | None:
        """The party with exactly this number."""

    def is_whole(self, digits: str) -> bool:
        """Somebody has this number and nobody has a longer one that begins so."""


class ExchangeLine:
    """One line. `t` arguments are sample clocks."""

    def __init__(
        self, world: World, index: int, config: LineConfig, port: FxoPort, directory: Directory
    ) -> None:
        self._world = world
        self.index = index
        self.config = config
        self.port = port
        self._directory = directory
        self._timers = world.timers()
        self._release: Timer | None = None
        self._opened_at = 0
        self._closed = False
        self._pulses = 0
        self._pulse_end: Timer | None = None
        self._receiver: DtmfReceiver | None = None
        self._numbering = [re.compile(rule) for rule in world.country.numbering]
        self.state = LineState.IDLE
        self.party: Party | None = None
        self.source: Player | None = None
        """What the exchange itself sends to the box: a tone or caller ID."""
        self.dialled = ""
        """Digits understood since the last dial tone."""
        self.flashes = 0
        """Hook flashes seen since the line was taken."""
        port.wire(self)

    # ------------------------------------------------------------- calls in
    def offer(self, party: Party, who: Identity, method: str, ring_delay_ms: float, t: int) -> bool:
        """A call for this line; False when it is engaged. method: "fsk", "dtmf" or "none"."""
        if self.config.glare and self.state is LineState.DIAL_TONE and self.source is None and self._closed:
            self.party = party
            self._connect(t)
            return True
        if self.state is not LineState.IDLE or self._closed or self._release is not None:
            return False
        self._enter(LineState.OFFERED)
        self.party = party
        begin = t + samples_of_ms(ring_delay_ms)
        gain = np.float32(gain_of(self.config.callerid_level_db))
        before_ring = method == "dtmf" or (method == "fsk" and self._world.country.fsk_before_ring)
        if method == "fsk":
            message = callerid.fsk_message(who, self._world.local_time(t))
            burst = fsk.modulate(message, self._world.country.fsk) * gain
        elif method == "dtmf":
            keys = callerid.dtmf_string(who, self.config.callerid_frame)
            burst = dtmf.dial(keys, on_ms=70, off_ms=70, level_dbm0=-10) * gain
        else:
            burst = np.zeros(0, dtype=np.float32)
        if before_ring:
            if self.config.callerid_polarity:
                self._timers.at(begin, lambda due: self.port.polarity(True, due))
                begin += samples_of_ms(100)
            begin += samples_of_ms(200)
            self._timers.at(begin, lambda due: self._send_burst(burst, due))
            begin += burst.size + samples_of_ms(BEFORE_RING_GAP_MS)
        self._timers.at(begin, self._start_ringing)
        if method == "fsk" and not before_ring:
            cadence = self._world.country.ring_cadence_ms
            longest = max(range(1, len(cadence), 2), key=lambda i: cadence[i])
            begin += samples_of_ms(sum(cadence[:longest]) + FSK_AFTER_RING_MS)
            self._timers.at(begin, lambda due: self._send_burst(burst, due))
        return True

    def _send_burst(self, burst: Float, t: int) -> None:
        self.source = Player(t, burst=burst)

    def _start_ringing(self, t: int) -> None:
        self.state = LineState.RINGING
        self.port.polarity(False, t)
        self._ring_edge(0, t)

    def _ring_edge(self, step: int, t: int) -> None:
        cadence = self._world.country.ring_cadence_ms
        self.port.ring(step % 2 == 0, t)
        self._timers.at(
            t + samples_of_ms(cadence[step]), lambda due: self._ring_edge((step + 1) % len(cadence), due)
        )

    def party_gone(self, t: int) -> None:
        """The other end has hung up."""
        if self.state in (LineState.OFFERED, LineState.RINGING):
            self._to_idle(t)
        elif self.state is LineState.TALKING:
            self._enter(LineState.FAR_GONE)
            self.party = None
            self._timers.at(t + samples_of_ms(self.config.disconnect_delay_ms), self._disconnect)

    def _disconnect(self, t: int) -> None:
        """Show the box by all the means this line has that nobody is there any more."""
        self.port.polarity(False, t)
        tone_at = t
        if self.config.battery_drop_ms:
            self.port.feed(False, t)
            tone_at += samples_of_ms(self.config.battery_drop_ms)
            self._timers.at(tone_at, lambda due: self.port.feed(True, due))
        if self.config.disconnect_tone == "dial":
            self._timers.at(tone_at, self._dial_tone)
        elif self.config.disconnect_tone != "none":
            self._timers.at(tone_at, lambda due: self._tone(self.config.disconnect_tone, due))

    # ------------------------------------------------------------ calls out
    def _await_dialling(self, t: int) -> None:
        self._enter(LineState.DIAL_TONE)
        self.dialled = ""
        self.flashes = 0
        self._timers.at(t + samples_of_ms(self.config.dial_tone_delay_ms), self._dial_tone)

    def _dial_tone(self, t: int) -> None:
        self._enter(LineState.DIAL_TONE)
        self.dialled = ""
        self._receiver = DtmfReceiver()
        self.source = self._world.tone("dial", t)
        wait = samples_of_s(self._world.country.first_digit_timeout_s)
        self._timers.at(t + wait, lambda due: self._tone("congestion", due))

    @property
    def collecting(self) -> bool:
        """The exchange listens for digits."""
        return self._receiver is not None

    def hear_digits(self, block: Int16, t: int) -> None:
        """What the box sends, int16 [BLOCK], ending at clock `t`; only while `collecting`."""
        assert self._receiver is not None
        for key in self._receiver.hear(block):
            self._digit(key, t)

    def _digit(self, key: str, t: int) -> None:
        if self.state is LineState.DIAL_TONE and self.source is not None:
            self._enter(LineState.DIGITS, keep_receiver=True)
        if self.state is not LineState.DIGITS:
            return
        self._timers.cancel()
        if key == "#" and self.dialled:
            self._route(t)
            return
        self.dialled += key
        if self._directory.is_whole(self.dialled) or any(
            rule.fullmatch(self.dialled) for rule in self._numbering
        ):
            self._route(t)
        else:
            self._timers.at(t + samples_of_s(self._world.country.digit_timeout_s), self._route)

    def _route(self, t: int) -> None:
        self._enter(LineState.ROUTING)
        self._timers.at(t + samples_of_ms(POST_DIAL_DELAY_MS), self._reach)

    def _reach(self, t: int) -> None:
        party = self._directory.find(self.dialled)
        outcome = self._world.config.unknown_numbers if party is None else party.behaviour
        if outcome in ("busy", "congestion", "unobtainable"):
            self._tone(outcome, t)
            return
        if party is not None and not party.ring(self, t):
            self._tone("busy", t)
            return
        self._enter(LineState.FAR_RINGING)
        self.party = party
        self.source = self._world.tone("ringback", t)
        self._timers.at(t + samples_of_s(self._world.country.no_answer_s), self._not_answered)

    def _not_answered(self, t: int) -> None:
        if self.party is not None:
            self.party.released(t)
        self._tone("busy", t)

    def party_answers(self, t: int) -> None:
        """The called party has lifted."""
        if self.state is LineState.FAR_RINGING:
            self._connect(t)

    # ------------------------------------------------------ loop of the box
    def loop(self, closed: bool, t: int) -> None:
        """The box closes or opens the loop at clock `t`."""
        if closed == self._closed:
            return
        self._closed = closed
        self._world.active_changed = True
        if not closed:
            self._opened_at = t
            self._release = self._world.schedule.at(
                t + samples_of_ms(self._world.country.release_ms), self._released
            )
            return
        if self._release is None:
            self._taken(t)
            return
        self._release.cancel()
        self._release = None
        self._interrupted(t - self._opened_at, t)

    @property
    def closed(self) -> bool:
        """Loop current flows."""
        return self._closed

    def _taken(self, t: int) -> None:
        if self.state in (LineState.OFFERED, LineState.RINGING):
            self._connect(t)
        elif self.state is LineState.IDLE:
            self._await_dialling(t)

    def _interrupted(self, samples: int, t: int) -> None:
        """The loop was open for `samples`, too short for a release: pulse or flash."""
        if samples < samples_of_ms(SETTLE_MS):
            return
        if samples > samples_of_ms(PULSE_MAX_MS):
            self.flashes += 1
        elif self.collecting:
            self._pulses += 1
            if self._pulse_end is not None:
                self._pulse_end.cancel()
            self._pulse_end = self._world.schedule.at(
                t + samples_of_ms(PULSE_DIGIT_END_MS), self._pulse_digit
            )
            if self.state is LineState.DIAL_TONE:
                # The first break already silences dial tone; the digit follows.
                self._enter(LineState.DIGITS, keep_receiver=True)

    def _pulse_digit(self, t: int) -> None:
        count, self._pulses = self._pulses, 0
        self._pulse_end = None
        if count <= 10:
            self._digit(str(count % 10), t)

    def _released(self, t: int) -> None:
        self._release = None
        party = self.party
        if party is not None:
            party.released(t)
        self._to_idle(t)

    # -------------------------------------------------------------- states
    def _enter(self, state: LineState, keep_receiver: bool = False) -> None:
        """New state: the old one's timers and sound end."""
        self._timers.cancel()
        self.state = state
        self.source = None
        if not keep_receiver:
            self._receiver = None
        self._world.active_changed = True

    def _to_idle(self, t: int) -> None:
        self._enter(LineState.IDLE)
        self.party = None
        self.port.ring(False, t)
        self.port.polarity(False, t)
        self.port.feed(True, t)

    def _connect(self, t: int) -> None:
        party = self.party
        self._enter(LineState.TALKING)
        self.port.ring(False, t)
        self.port.polarity(False, t)
        if party is not None:
            party.connected(self, t)
        if self.config.polarity_reversal:
            at = t + samples_of_ms(self.config.answer_reversal_ms)
            self._timers.at(at, lambda due: self.port.polarity(True, due))

    def _tone(self, name: str, t: int) -> None:
        """A tone to the box until it releases; after a while the howler, then silence."""
        self._enter(LineState.TONE if self.state is not LineState.FAR_GONE else LineState.FAR_GONE)
        self.party = None
        self.source = self._world.tone(name, t)
        self._timers.at(t + samples_of_s(self._world.country.tone_limit_s), self._howl)

    def _howl(self, t: int) -> None:
        self.source = self._world.tone("howler", t)
        self._timers.at(t + samples_of_s(self._world.country.howler_limit_s), self._park)

    def _park(self, t: int) -> None:
        self.source = None

    @property
    def sounding(self) -> bool:
        """The line carries sound (at least its noise) to the box."""
        return self.port.carries and (self._closed or self.state in (LineState.OFFERED, LineState.RINGING))

    def send(self, out: Float) -> None:
        """What the exchange itself sends in the next block, into `out` [BLOCK]."""
        if self.source is None:
            return
        self.source.fill(out, self._world.clock)
        end = self.source.end
        if end is not None and end <= self._world.clock + BLOCK:
            self.source = None
