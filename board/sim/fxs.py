"""The box's side of a telephone: an FXS port that feeds, rings and reads the hook.

How breaks of the loop are read (`-` open, `#` closed), after debouncing:

    ####--######          15 … 80 ms        one dial pulse
    ####-----###          80 … flash_max    flash
    ####----------------  longer            on hook

The box may say what a single break of 15 … 130 ms is to be (`ReadBreaks`), until the set is hung up.
"""

from __future__ import annotations

from typing import Protocol

from board.api import (
    CommandDone,
    CommandFailed,
    DropBattery,
    Flash,
    LineMeasure,
    MessageLamp,
    OffHook,
    OnHook,
    OnHookTransfer,
    PortBack,
    PortGone,
    PulseDigit,
    ReadBreaks,
    SetPolarity,
    StartRinging,
    StopRinging,
)
from board.sim.config import PhoneConfig
from board.sim.fxo import BATTERY_V, LOOP_MA, OFF_HOOK_V
from board.sim.levels import samples_of_ms
from board.sim.schedule import Timer
from board.sim.world import World

DEBOUNCE_MS = 12
FLASH_MIN_MS = 80
PULSE_END_MS = 200
LONGEST_PULSE_MS = 130

PhoneCommand = (
    StartRinging | StopRinging | SetPolarity | DropBattery | OnHookTransfer | MessageLamp | ReadBreaks
)


class Bell(Protocol):
    """The telephone at the other end of the wire."""

    def ring_voltage(self, on: bool) -> None:
        """The bell sounds or stops."""

    def line_feed(self, on: bool) -> None:
        """Feed goes away or comes back."""


class FxsPort:
    """Feeds one telephone. `edge` tells it what the telephone's loop does."""

    def __init__(self, world: World, index: int, config: PhoneConfig) -> None:
        self._world = world
        self._index = index
        self._config = config
        self._set: Bell | None = None
        self._ring_timers = world.timers()
        self._settle: Timer | None = None
        self._hang_up: Timer | None = None
        self._digit_end: Timer | None = None
        self._drop_end: Timer | None = None
        self._transfer_end: Timer | None = None
        self._told_dialling: bool | None = None
        self._closed = False
        self._edge_at = 0
        self._settled = False
        self._broken_at = 0
        self._pulses = 0
        self.present = True
        self.off_hook = False
        """As told to the box: lifted, through flashes and pulses."""
        self.ringing = False
        """A ring command is in force (through its silent intervals too)."""
        self.voltage = False
        """Ring voltage is on just now."""
        self.reversed_ = False
        self.feeding = True
        self.lamp = False
        """The message lamp of the telephone."""

    def wire(self, telephone: Bell) -> None:
        """Connect the telephone, once."""
        self._set = telephone

    @property
    def carries(self) -> bool:
        """Sound can pass."""
        return self.present and self.feeding and self._settled and self._closed

    @property
    def whispers(self) -> bool:
        """On-hook transfer: the telephone hears the box although it is on hook."""
        open_ = self._transfer_end is not None and not self._transfer_end.cancelled
        return open_ and self.present and self.feeding and not self._closed and not self.voltage

    # ------------------------------------------------------------ commands
    def command(self, number: int, what: PhoneCommand, t: int) -> None:
        """Carry out a command of the box at clock `t`; its result is an event."""
        problem = self._problem(what)
        if problem:
            self._world.emit(CommandFailed(self._index, t, number, problem))
            return
        if isinstance(what, StartRinging):
            self._ring_timers.cancel()
            self.ringing = True
            self._ring_edge(what.cadence_ms, 0, t)
        elif isinstance(what, StopRinging):
            self._stop_ringing()
        elif isinstance(what, SetPolarity):
            self.reversed_ = what.reversed_
        elif isinstance(what, OnHookTransfer):
            self._transfer(t, what.duration_ms)
        elif isinstance(what, MessageLamp):
            self.lamp = what.on
        elif isinstance(what, ReadBreaks):
            self._told_dialling = what.dialling
        else:
            self._feed(False)
            if self._drop_end is not None:
                self._drop_end.cancel()
            end = t + samples_of_ms(what.duration_ms)
            self._drop_end = self._world.schedule.at(end, lambda due: self._feed(True))
        self._world.emit(CommandDone(self._index, t, number))

    def _problem(self, what: PhoneCommand) -> str:
        if not self.present:
            return "the port is gone"
        if isinstance(what, StartRinging):
            # A loop that closed a moment ago is not off hook yet: ringing begins and trips at once.
            if self.off_hook:
                return "the telephone is off hook"
            cadence = what.cadence_ms
            if not cadence or len(cadence) % 2 or min(cadence) < 20 or max(cadence) > 60000:
                return f"ring cadence {cadence} is not pairs of on, off between 20 and 60000 ms"
        if isinstance(what, DropBattery) and not 1 <= what.duration_ms <= 10000:
            return f"a battery drop of {what.duration_ms} ms is not between 1 and 10000 ms"
        if isinstance(what, OnHookTransfer):
            if self.off_hook:
                return "the telephone is off hook"
            if not 1 <= what.duration_ms <= 10000:
                return f"an on-hook transfer of {what.duration_ms} ms is not between 1 and 10000 ms"
        return ""

    def _transfer(self, t: int, duration_ms: int) -> None:
        if self._transfer_end is not None:
            self._transfer_end.cancel()
        self._world.active_changed = True
        self._transfer_end = self._world.schedule.at(t + samples_of_ms(duration_ms), self._transferred)

    def _transferred(self, t: int) -> None:
        self._transfer_end = None
        self._world.active_changed = True

    def _ring_edge(self, cadence_ms: tuple[int, ...], step: int, t: int) -> None:
        self._bell(step % 2 == 0)
        following = (step + 1) % len(cadence_ms)
        self._ring_timers.at(
            t + samples_of_ms(cadence_ms[step]), lambda due: self._ring_edge(cadence_ms, following, due)
        )

    def _bell(self, on: bool) -> None:
        assert self._set is not None
        self.voltage = on
        self._world.active_changed = True
        self._set.ring_voltage(on)

    def _stop_ringing(self) -> None:
        self._ring_timers.cancel()
        self.ringing = False
        self._bell(False)

    def _feed(self, on: bool) -> None:
        assert self._set is not None
        self.feeding = on
        self._world.active_changed = True
        self._set.line_feed(on)

    # --------------------------------------------------------- loop reading
    def edge(self, closed: bool, t: int) -> None:
        """The telephone's loop closes or opens at clock `t` (bounces included)."""
        if closed == self._closed:
            return
        self._closed = closed
        self._edge_at = t
        self._world.active_changed = True
        if self._settle is not None:
            self._settle.cancel()
        # Under ring voltage the card needs longer to be sure: ring trip.
        wait_ms = self._config.ring_trip_ms if self.ringing and closed else DEBOUNCE_MS
        self._settle = self._world.schedule.at(t + samples_of_ms(wait_ms), self._loop_settled)

    def _loop_settled(self, t: int) -> None:
        self._settle = None
        if self._closed == self._settled or not self.present:
            return
        self._settled = self._closed
        self._world.active_changed = True
        if self._closed:
            self._loop_made(t)
        else:
            self._broken_at = self._edge_at
            limit = self._broken_at + samples_of_ms(self._config.flash_max_ms)
            self._hang_up = self._world.schedule.at(limit, self._hung_up)
            if self._digit_end is not None:
                self._digit_end.cancel()

    def _loop_made(self, t: int) -> None:
        if not self.off_hook:
            self.off_hook = True
            if self.ringing:
                self._stop_ringing()
            self._world.emit(OffHook(self._index, t))
            return
        if self._hang_up is not None:
            self._hang_up.cancel()
            self._hang_up = None
        broken = self._edge_at - self._broken_at
        longest = LONGEST_PULSE_MS if self._told_dialling else FLASH_MIN_MS
        if broken >= samples_of_ms(longest):
            self._pulses = 0
            self._world.emit(Flash(self._index, t, round(broken / 8)))
        else:
            self._pulses += 1
            self._digit_end = self._world.schedule.at(
                self._edge_at + samples_of_ms(PULSE_END_MS), self._pulse_digit
            )

    def _pulse_digit(self, t: int) -> None:
        count, self._pulses = self._pulses, 0
        self._digit_end = None
        if count == 1 and self._told_dialling is False:
            self._world.emit(Flash(self._index, t, round((self._edge_at - self._broken_at) / 8)))
        elif 1 <= count <= 10:
            self._world.emit(PulseDigit(self._index, t, str(count % 10)))

    def _hung_up(self, t: int) -> None:
        self._hang_up = None
        self._pulses = 0
        self.off_hook = False
        self._told_dialling = None
        self._world.active_changed = True
        self._world.emit(OnHook(self._index, t))

    # --------------------------------------------------------------- faults
    def vanish(self, t: int, reason: str) -> None:
        """The card is pulled out."""
        if not self.present:
            return
        self._world.emit(PortGone(self._index, t, reason))
        if self.ringing:
            self._stop_ringing()
        for timer in (self._settle, self._hang_up, self._digit_end):
            if timer is not None:
                timer.cancel()
        self._settle = self._hang_up = self._digit_end = None
        self.present = False
        self.off_hook = self._settled = False
        self._pulses = 0
        self._world.active_changed = True

    def restore(self, t: int) -> None:
        """The card is back; a telephone that is off hook is noticed after debouncing."""
        if self.present:
            return
        self.present = True
        self._world.active_changed = True
        self._world.emit(PortBack(self._index, t))
        if self._closed:
            self._edge_at = t
            self._settle = self._world.schedule.at(t + samples_of_ms(DEBOUNCE_MS), self._loop_settled)

    def measure(self) -> LineMeasure:
        """Feed voltage and loop current; unknown when the port is gone."""
        if not self.present:
            return LineMeasure()
        if not self.feeding:
            return LineMeasure(0.0, 0.0, None, self._closed)
        sign = -1.0 if self.reversed_ else 1.0
        volts = OFF_HOOK_V if self._closed else BATTERY_V
        return LineMeasure(sign * volts, LOOP_MA if self._closed else 0.0, self.reversed_, self._closed)
