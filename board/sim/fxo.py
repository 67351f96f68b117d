"""The box's side of a line: an FXO port, its hook relay and its voltage sensors."""

from __future__ import annotations

from typing import Protocol

from board.api import (
    BatteryBack,
    BatteryLost,
    CommandDone,
    CommandFailed,
    DialPulses,
    FlashHook,
    LineMeasure,
    PolarityReversed,
    PortBack,
    PortGone,
    RingOff,
    RingOn,
    SetHook,
)
from board.sim.levels import samples_of_ms
from board.sim.world import World

BATTERY_V = 48.0
OFF_HOOK_V = 8.0
LOOP_MA = 25.0

PULSE_BREAK_MS = 60
PULSE_MAKE_MS = 40
PULSE_GAP_MS = 700
MOST_PULSE_DIGITS = 32


class Loop(Protocol):
    """What the port is wired to: the exchange's line card."""

    def loop(self, closed: bool, t: int) -> None:
        """The loop has been closed or opened at clock `t`."""


class FxoPort:
    """Relay and sensors. Everything the line does to the box passes through here.

    The line tells it of ring voltage, polarity and feed; it tells the box, provided
    that the cord is plugged in and the port exists.
    """

    def __init__(self, world: World, index: int) -> None:
        self._world = world
        self._index = index
        self._line: Loop | None = None
        self._timers = world.timers()
        self._running: int | None = None
        self.plugged = True
        self.present = True
        self.off_hook = False
        """Position of the hook relay."""
        self.parallel = False
        """Another telephone on the same line is off hook."""
        self.broken = False
        """Contact so bad that no current flows through the box."""
        self._closed = False
        self.ringing = False
        self.reversed_ = False
        self.feeding = True

    def wire(self, line: Loop) -> None:
        """Connect the port to its line, once."""
        self._line = line

    # ------------------------------------------------------------ commands
    def command(self, number: int, what: SetHook | FlashHook | DialPulses, t: int) -> None:
        """Carry out a command of the box at clock `t`; its result is an event."""
        if not self.present:
            self._failed(number, t, "the port is gone")
            return
        if isinstance(what, SetHook):
            self._interrupt(t)
            self.off_hook = what.off_hook
            self._tell_loop(what.off_hook, t)
            self._done(number, t)
        elif not self.off_hook:
            self._failed(number, t, "the line is on hook: take it first")
        elif isinstance(what, FlashHook):
            if not 10 <= what.duration_ms <= 2000:
                self._failed(number, t, f"a flash of {what.duration_ms} ms is not between 10 and 2000 ms")
                return
            self._interrupt(t)
            self._running = number
            self._tell_loop(False, t)
            self._timers.at(t + samples_of_ms(what.duration_ms), self._make)
            self._timers.at(t + samples_of_ms(what.duration_ms), self._finish)
        else:
            self._dial(number, what.digits, t)

    def _dial(self, number: int, digits: str, t: int) -> None:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_PULSE_DIGITS):
            most = f"1 to {MOST_PULSE_DIGITS} digits 0-9"
            self._failed(number, t, f"{digits!r} cannot be dialled by pulses: use {most}")
            return
        self._interrupt(t)
        self._running = number
        at = t
        for digit in digits:
            for _ in range(int(digit) or 10):
                self._timers.at(at, self._break)
                self._timers.at(at + samples_of_ms(PULSE_BREAK_MS), self._make)
                at += samples_of_ms(PULSE_BREAK_MS + PULSE_MAKE_MS)
            at += samples_of_ms(PULSE_GAP_MS)
        self._timers.at(at, self._finish)

    def _interrupt(self, t: int) -> None:
        """A new command ends a flash or pulses under way."""
        if self._running is not None:
            self._timers.cancel()
            self._failed(self._running, t, "interrupted by another command")
            self._running = None
            if self.off_hook:
                self._tell_loop(True, t)

    def _break(self, t: int) -> None:
        self._tell_loop(False, t)

    def _make(self, t: int) -> None:
        self._tell_loop(True, t)

    def _finish(self, t: int) -> None:
        if self._running is not None:
            self._done(self._running, t)
            self._running = None

    def _done(self, number: int, t: int) -> None:
        self._world.emit(CommandDone(self._index, t, number))

    def _failed(self, number: int, t: int, reason: str) -> None:
        self._world.emit(CommandFailed(self._index, t, number, reason))

    def _tell_loop(self, closed: bool, t: int) -> None:
        assert self._line is not None
        self._closed = closed
        through_box = closed and self.plugged and self.present and not self.broken
        self._line.loop(through_box or self.parallel, t)
        self._world.active_changed = True

    # ------------------------------------------------- what the line does
    @property
    def sensing(self) -> bool:
        """The port exists and a cord leads to the exchange."""
        return self.plugged and self.present

    @property
    def carries(self) -> bool:
        """Sound can pass: sensing and fed."""
        return self.sensing and self.feeding

    def ring(self, on: bool, t: int) -> None:
        """Ring voltage appears or goes away."""
        if on == self.ringing:
            return
        self.ringing = on
        if self.sensing:
            self._world.emit(RingOn(self._index, t) if on else RingOff(self._index, t))

    def polarity(self, reversed_: bool, t: int) -> None:
        """Tip and ring change places, or back."""
        if reversed_ == self.reversed_:
            return
        self.reversed_ = reversed_
        if self.sensing:
            self._world.click(self._index, t)
            self._world.emit(PolarityReversed(self._index, t, reversed_))

    def feed(self, on: bool, t: int) -> None:
        """Battery goes away or comes back."""
        if on == self.feeding:
            return
        self.feeding = on
        self._world.active_changed = True
        if self.sensing:
            self._world.emit(BatteryBack(self._index, t) if on else BatteryLost(self._index, t))

    # --------------------------------------------------- what people do
    def plug(self, plugged: bool, t: int) -> None:
        """Pull or push the cord."""
        if plugged == self.plugged:
            return
        self.plugged = plugged
        if self.present:
            if self.ringing:
                self._world.emit(RingOn(self._index, t) if plugged else RingOff(self._index, t))
            if self.feeding:
                self._world.emit(BatteryBack(self._index, t) if plugged else BatteryLost(self._index, t))
        self._tell_loop(self.off_hook, t)

    def lift_parallel(self, lifted: bool, t: int) -> None:
        """Lift or hang up another telephone on the same line."""
        self.parallel = lifted
        self._tell_loop(self._closed, t)

    def break_contact(self, broken: bool, t: int) -> None:
        """Corrode or clean the contact: there is voltage, but no current flows."""
        self.broken = broken
        self._tell_loop(self._closed, t)

    def vanish(self, t: int, reason: str) -> None:
        """The card is pulled out."""
        if not self.present:
            return
        self._interrupt(t)
        self._world.emit(PortGone(self._index, t, reason))
        self.present = False
        self.off_hook = False
        self._tell_loop(False, t)

    def restore(self, t: int) -> None:
        """The card is back: on hook, silent, sensing what is there."""
        if self.present:
            return
        self.present = True
        self._world.active_changed = True
        self._world.emit(PortBack(self._index, t))
        if not (self.plugged and self.feeding):
            self._world.emit(BatteryLost(self._index, t))
        elif self.ringing:
            self._world.emit(RingOn(self._index, t))

    def measure(self) -> LineMeasure:
        """Voltage across the line and loop current; unknown when the port is gone."""
        if not self.present:
            return LineMeasure()
        if not (self.plugged and self.feeding):
            return LineMeasure(volts=0.0, milliamps=0.0, reversed_=None, off_hook=self.off_hook)
        sign = -1.0 if self.reversed_ else 1.0
        draws = self.off_hook and not self.broken
        volts = OFF_HOOK_V if draws or self.parallel else BATTERY_V
        return LineMeasure(sign * volts, LOOP_MA if draws else 0.0, self.reversed_, self.off_hook)
