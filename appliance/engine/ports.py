"""Ports of all cards as rows of one matrix, and what hook, ring, battery and polarity mean there.

A card reports edges; what they mean depends on time and on what we are doing
with the port:

    battery   ______|‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾      lost for less than 100 ms: a click of the exchange
                    lost     back
              line in use, >= 100 ms      the far end has hung up (calling-party control)
              any line, > 1 s             nothing is plugged in: the port is lost until it is back
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.core import events as core
from appliance.core.plan import LinePlan, Plan
from appliance.engine.ringing import RingFilter
from board import api

RATE_HZ = api.SAMPLE_RATE_HZ
HANGUP_BATTERY_SAMPLES = RATE_HZ // 10
UNPLUGGED_BATTERY_SAMPLES = RATE_HZ
REVERSAL_GUARD_SAMPLES = RATE_HZ * 6 // 10
"""A second reversal within 600 ms of the first is contact bounce of the exchange."""

SETTLE_SAMPLES = RATE_HZ * 3 // 2
"""A line that we have just released may turn its polarity back."""

NO_BATTERY = "no battery: is the line plugged in?"
NO_SUCH_PORT = "there is no socket {port} on the cards: fit the card or change the port"

DIALLING = "dialling"
"""How a port calls the command that dials a whole number."""
OPTIONAL = "an extra"
"""How it calls what a call goes on without: caller display, message lamp, outliving the engine."""

log = logging.getLogger(__name__)


@dataclass
class Port:
    """One row of the matrix."""

    row: int
    card: int
    """Index of its card."""
    index: int
    """Row within its card."""
    info: api.PortInfo
    name: str = ""
    """What the plan calls it; "" when the plan has no use for it."""
    line: LinePlan | None = None
    in_use: bool = False
    """FXO: we hold the line off hook. FXS: the telephone is off hook."""
    ringing: bool = False
    """FXS: we ring it."""
    lamp: bool = False
    """FXS: its message lamp is lit."""
    gone: str = ""
    """Why it cannot be used; "" when it can."""
    watch: frozenset[str] = frozenset()
    battery_lost_at: int | None = None
    battery_told: bool = False
    reversed_: bool = False
    reversed_at: int = -REVERSAL_GUARD_SAMPLES
    answered_by_reversal: bool = False
    polarity_learned: bool = False
    """This line has reversed its polarity at an answer before."""
    seized_at: int = 0
    released_at: int = -SETTLE_SAMPLES
    rang_at: int = -SETTLE_SAMPLES
    """Last edge of ring voltage."""
    ringer: RingFilter = field(default_factory=RingFilter)
    called: bool = False
    """A card that understands calls has one coming in here, not answered yet."""
    dial_token: int = 0
    """Of the number that such a card is dialling."""
    commands: dict[int, str] = field(default_factory=dict)
    """Commands on their way to the card, by id, for messages."""

    @property
    def is_line(self) -> bool:
        """Whether a phone-company line plugs in here."""
        return self.info.kind is api.PortKind.FXO

    def released(self) -> None:
        """The line was put on hook (or the telephone hung up): what was true of the call is over."""
        self.in_use = False
        self.answered_by_reversal = False
        self.called = False
        self.battery_told = self.battery_told and bool(self.gone)


class PortTable:
    """All ports by row, by plan name and by (card, index)."""

    def __init__(self, boards: Sequence[api.Board]) -> None:
        self.ports: list[Port] = []
        self.card_rows: list[slice] = []
        for board in boards:
            self.add(board)
        self._by_name: dict[str, Port] = {}
        self.held: frozenset[str] = frozenset()
        """Names that keep a socket, because of a call, which the plan wants otherwise."""

    def __len__(self) -> int:
        return len(self.ports)

    def add(self, board: api.Board) -> slice:
        """Rows for one more card, after all others."""
        first = len(self.ports)
        for info in sorted(board.ports, key=lambda info: info.index):
            self.ports.append(Port(len(self.ports), len(self.card_rows), info.index, info))
        self.card_rows.append(slice(first, len(self.ports)))
        return self.card_rows[-1]

    def fits(self, card: int, board: api.Board) -> bool:
        """Whether a card that is back has the sockets it had before."""
        now = [(info.index, info.kind) for info in sorted(board.ports, key=lambda info: info.index)]
        return now == [(port.index, port.info.kind) for port in self.ports[self.card_rows[card]]]

    def renew(self, card: int, board: api.Board) -> list[Port]:
        """The card is back in its rows: on hook and silent. Returns its ports."""
        back = self.ports[self.card_rows[card]]
        for port, info in zip(back, sorted(board.ports, key=lambda info: info.index), strict=True):
            port.info = info
            port.gone = ""
            port.released()
            port.ringing = False
            port.battery_lost_at = None
            port.reversed_ = False
            port.commands.clear()
        return back

    def by_name(self, name: str) -> Port | None:
        """Port that the plan calls so; None when it has no socket."""
        return self._by_name.get(name)

    def at(self, card: int, index: int) -> Port:
        """Port of a card by its index there."""
        return self.ports[int(self.card_rows[card].start) + index]

    def use(self, plan: Plan, busy: frozenset[str] = frozenset()) -> list[core.Event]:
        """Name the ports as the plan does; returns the events for those that are missing or unusable.

        Names that are `busy` keep their sockets although the plan wants it otherwise: a call must be
        able to end where it is. They are in `held`; call again when they are free.
        """
        # A card that came back with other sockets has two sets of rows: the living one counts.
        sockets = {port.info.name: port for port in sorted(self.ports, key=lambda port: not port.gone)}
        kept = {name: port for name, port in self._by_name.items() if name in busy}
        taken = {port.row for port in kept.values()}
        held = set(kept)
        self._by_name = dict(kept)
        out: list[core.Event] = []
        for port in self.ports:
            if port.row not in taken:
                port.name, port.line = "", None
        kinds = ((plan.lines, api.PortKind.FXO), (plan.phones, api.PortKind.FXS))
        for things, kind in kinds:
            for thing in things:
                name = thing.id if isinstance(thing, LinePlan) else thing.ext
                line = thing if isinstance(thing, LinePlan) else None
                if name in kept:
                    if kept[name].info.name == thing.port:
                        kept[name].line = line
                        held.discard(name)
                    continue
                found = sockets.get(thing.port)
                problem = _problem(found, thing.port, kind, taken)
                if problem:
                    out.append(core.PortLost(name, problem))
                if found is None or (problem and problem != found.gone):
                    continue
                found.name, found.line = name, line
                self._by_name[name] = found
        self.held = frozenset(held)
        return out


def _problem(port: Port | None, socket: str, kind: api.PortKind, taken: set[int]) -> str:
    """Why the plan cannot have this socket now; "" when it can."""
    if port is None:
        return NO_SUCH_PORT.format(port=socket)
    if port.info.kind is not kind:
        return f"the socket {socket} is {'for lines' if port.is_line else 'for telephones'}: change the port"
    if port.row in taken:
        return f"the socket {socket} is still in a call: it is taken over when the call ends"
    return port.gone


def translate(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    """Core events that a card's event means; `at`: engine clock at which it happened.

    Changes the port's state. Ports without a name in the plan are followed too, but say nothing.
    """
    found = _FROM_BOARD[type(event)](port, event, at) if type(event) in _FROM_BOARD else []
    return found if port.name else []


def due(port: Port, now: int) -> list[core.Event]:
    """Events that only the passing of time brings; `now`: engine clock."""
    if port.battery_lost_at is None:
        return []
    lost = now - port.battery_lost_at
    out: list[core.Event] = []
    if lost >= HANGUP_BATTERY_SAMPLES and port.in_use and not port.battery_told:
        port.battery_told = True
        if port.line is not None and port.line.battery_drop_is_hangup:
            out.append(core.FarEndGone(port.name, "battery", lost / RATE_HZ))
    if lost > UNPLUGGED_BATTERY_SAMPLES and not port.gone:
        port.gone = NO_BATTERY
        out.append(core.PortLost(port.name, NO_BATTERY))
    return out if port.name else []


# ------------------------------------------------------------ card → core
def _off_hook(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    port.in_use, port.ringing = True, False
    return [core.Lifted(port.name)]


def _on_hook(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    port.released()
    return [core.HungUp(port.name)]


def _flash(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    return [core.Flashed(port.name)]


def _pulse_digit(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.PulseDigit)
    return [core.KeyPressed(port.name, event.digit)]


def _ring_on(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    return _ring(port, True, at)


def _ring_off(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    return _ring(port, False, at)


def _ring(port: Port, on: bool, at: int) -> list[core.Event]:
    port.rang_at = at
    port.called = port.called or on
    if "call-state" in port.info.can:  # a card that understands calls has judged already
        return [core.RingStarted(port.name) if on else core.RingStopped(port.name)]
    return _rings(port, port.ringer.feed(on, at))


def ring_due(port: Port, now: int) -> list[core.Event]:
    """What ring voltage means by now; `now`: engine clock."""
    found = _rings(port, port.ringer.due(now))
    return found if port.name else []


def _rings(port: Port, edges: list[str]) -> list[core.Event]:
    return [core.RingStarted(port.name) if edge == "start" else core.RingStopped(port.name) for edge in edges]


def _kept(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.LineKept)
    presentation, _, number = event.note.partition(" ")
    # If this line tells answers by polarity, it has: the next reversal is the far end's hanging up.
    port.answered_by_reversal = True
    return [core.LineKept(port.name, number, presentation)]


def _polarity(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.PolarityReversed)
    was, port.reversed_ = port.reversed_, event.reversed_
    bounce = at - port.reversed_at < REVERSAL_GUARD_SAMPLES
    port.reversed_at = at
    if port.line is None or was == event.reversed_ or bounce:
        return []
    if not port.in_use:
        # Before caller ID some exchanges reverse: a call is coming.
        settled = at - port.released_at >= SETTLE_SAMPLES
        return [core.LineStirred(port.name)] if settled else []
    if not (port.line.polarity or port.polarity_learned):
        return []
    if port.answered_by_reversal:
        return [core.FarEndGone(port.name, "polarity", 0.0)]
    port.answered_by_reversal = True
    # On a call from outside the reversal only confirms that we have answered.
    return [core.FarEndAnswered(port.name, "polarity")] if "answer" in port.watch else []


def _battery_lost(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    port.battery_lost_at = at
    port.battery_told = False
    return []


def _battery_back(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    # A gap that began and ended between two ticks still counts by its length.
    out = due(port, at)
    port.battery_lost_at = None
    port.battery_told = False
    if port.gone == NO_BATTERY:
        port.gone = ""
        out.append(core.PortReady(port.name))
    return out


def _gone(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.PortGone)
    port.gone = event.reason or "the port does not answer"
    port.in_use = port.ringing = port.called = False
    port.battery_lost_at = None
    port.ringer.forget()
    return [core.PortLost(port.name, port.gone)]


def _back(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    port.gone = ""
    port.released()
    return [core.PortReady(port.name)]


def _done(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.CommandDone)
    what = port.commands.pop(event.command_id, "")
    return [core.DialFinished(port.name, port.dial_token)] if what == DIALLING else []


def _failed(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.CommandFailed)
    # The call that needed it cannot go on; the port itself may be tried again.
    what = port.commands.pop(event.command_id, "a command")
    if what == OPTIONAL or port.gone:
        log.info("port %s: %s", port.name or port.info.name, event.reason)
        return []  # what is gone has been told, and comes back by itself alone
    return [core.PortLost(port.name, f"{what} failed: {event.reason}"), core.PortReady(port.name)]


# --------------------------------------------- cards that understand calls → core
def _caller_id(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.CallerIdReported)
    return [core.CallerIdSeen(port.name, event.number, event.name, event.presentation)]


def _key(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.KeyReported)
    # Where the card is not to be trusted in this, the keys are heard in the sound.
    trusted = "keys" in port.info.can and "keys" in port.watch
    return [core.KeyPressed(port.name, event.key)] if trusted else []


def _call_state(port: Port, event: api.PortEvent, at: int) -> list[core.Event]:
    assert isinstance(event, api.CallStateChanged)
    match event.state:
        case "ended":
            port.called = False
            drop_counts = port.line is not None and port.line.battery_drop_is_hangup
            if event.cue == "battery" and not drop_counts:
                return []
            # Why a call out came to nothing is told in the words of the tones that say the same.
            refused = event.cause in ("busy", "congestion")
            tones = [core.ToneHeard(port.name, event.cause)] if refused else []
            return [*tones, core.FarEndGone(port.name, event.cue, 0.0)]
        case "alerting" if "progress" in port.watch:
            return [core.ToneHeard(port.name, "ringback")]
        case "connected" if port.in_use:
            return [core.FarEndAnswered(port.name, "signalled")]
    return []


_FROM_BOARD = {
    api.OffHook: _off_hook,
    api.OnHook: _on_hook,
    api.Flash: _flash,
    api.PulseDigit: _pulse_digit,
    api.RingOn: _ring_on,
    api.RingOff: _ring_off,
    api.LineKept: _kept,
    api.PolarityReversed: _polarity,
    api.BatteryLost: _battery_lost,
    api.BatteryBack: _battery_back,
    api.PortGone: _gone,
    api.PortBack: _back,
    api.CommandDone: _done,
    api.CommandFailed: _failed,
    api.CallerIdReported: _caller_id,
    api.KeyReported: _key,
    api.CallStateChanged: _call_state,
}
"""Others (tones that a modem believes to hear, messages, radio) are of no use to calls."""
