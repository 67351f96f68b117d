"""FXS: a telephone.

The kernel reads breaks of the loop (`#` closed, `-` open):

    ####--######          15 … 200 ms          one dial pulse
    ####-------####       200 … flash_max      flash
    ####--------------    longer               on hook

So the 100 ms of a Chinese R key look like the digit 1. A digit 1 that stands
alone is read as the key, unless the telephone is just dialling (see
`DahdiSettings.pulse_window_s`), or the layer above has said what to expect
(`api.ReadBreaks`).

A span that has just been started takes "on hook" for the beginning of a break. Who lifts
right then has made a flash, a pulse or, within 15 ms, nothing at all for the kernel: no event
comes, only the hook state tells. So the state is looked at while the port is new.
"""

from __future__ import annotations

import logging

from board.api import (
    SAMPLE_RATE_HZ,
    Command,
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
from board.dahdi import ioctls
from board.dahdi.kernel import reason
from board.dahdi.port import DahdiPort

log = logging.getLogger(__name__)

SHORT_FLASH_MS = 100
DROP_MS = 500
"""Length of the kernel's battery drop; it has no other."""
DROP_REST_MS = 300
DROP_TOLERANCE = 2
MOST_TRANSFER_MS = 30000
NEW_SAMPLES = 2 * SAMPLE_RATE_HZ
"""How long the hook state is looked at besides the events; the kernel's first break is 1.25 s at most."""
ALARM = "the card reports an alarm: check its cable and power"


class TelephonePort(DahdiPort):
    """Hook, flash, pulse digits in; ringing, polarity, battery, lamp out."""

    ringing = False
    reversed_ = False
    alarm = False
    lost_feed = False
    """The feed has been taken away and must be brought back."""
    _dialling_until = 0
    _told_dialling: bool | None = None
    _pulse_began = 0
    _no_pulse = False
    """The pulse that the kernel counts was the lifting."""
    _new_until = 0
    _transfer_until = 0

    def probe(self) -> frozenset[str]:
        """The state that is set while trying is the normal one."""
        can = {"battery", "breaks"}
        if self.channel.supports(ioctls.SETPOLARITY, 0):
            can.add("polarity")
        if self.channel.supports(ioctls.VMWI_CONFIG, ioctls.VMWI_LAMP):
            can.add("lamp")
        if self.channel.supports(ioctls.ONHOOKTRANSFER, 0):
            can.add("onhook-audio")
        if self.stats_v() is not None:
            can.add("voltage")
        return frozenset(can)

    def begin(self, clock: int) -> None:
        """Quick hang-up; a telephone that is off hook already is told as lifted."""
        self.channel.change_params(
            rx_flash_ms=self.settings.flash_max_ms, debounce_ms=self.settings.debounce_ms
        )
        self._new_until = clock + NEW_SAMPLES
        self._look(clock)

    def _look(self, clock: int) -> None:
        """Go by the hook state, unless there are events to go by."""
        if self.off_hook or self.channel.params().rx_hook != ioctls.RX_OFFHOOK:
            return
        self.channel.fetch_events()
        if not self.channel.codes:
            self._lifted(clock)

    # --------------------------------------------------------------- events
    def event(self, code: int, clock: int) -> None:
        """Kernel event → what the telephone did."""
        match code:
            case ioctls.EVENT_RINGOFFHOOK:
                self._lifted(clock)
            case ioctls.EVENT_ONHOOK:
                self._hung_up(clock)
            case ioctls.EVENT_WINKFLASH if not self.off_hook:
                # It hung up just before the box began and was lifted soon after.
                self._lifted(clock)
            case ioctls.EVENT_WINKFLASH:
                # The kernel does not tell how long it was.
                self.out.append(Flash(self.index, clock, 0))
            case ioctls.EVENT_PULSE_START:
                self._pulse_began = clock
                self._no_pulse = not self.off_hook
                self._lifted(clock)
            case ioctls.EVENT_RINGEROFF:
                self._transfer_again(clock)
            case ioctls.EVENT_HOOKCOMPLETE:
                self.finished(code, clock)
            case ioctls.EVENT_ALARM:
                if not self.alarm:
                    self.alarm = True
                    self.out.append(PortGone(self.index, clock, ALARM))
            case ioctls.EVENT_NOALARM:
                if self.alarm:
                    self.alarm = False
                    self.out.append(PortBack(self.index, clock))
            case _ if code & ioctls.EVENT_PULSEDIGIT:
                self._pulse_digit(chr(code & 0xFF), clock)

    def _lifted(self, clock: int) -> None:
        if self.off_hook:
            return
        answered, self.ringing = self.ringing, False
        self.off_hook = True
        self._told_dialling = None
        self._dialling_until = 0 if answered else clock + self._window
        self._transfer_until = 0
        if self._waiting is not None:
            # Ringing that was still to begin: the telephone is up, as it should make it.
            self.done(self._waiting.command_id, clock)
            self._waiting = None
        # The kernel rings on, even through speech, until it is told.
        self.attempt(0, lambda: self.hook(ioctls.HOOK_OFFHOOK), clock)
        self.out.append(OffHook(self.index, clock))

    def _hung_up(self, clock: int) -> None:
        if not self.off_hook:
            return
        self.off_hook = False
        self.lost_feed = False
        # Not the kernel's hang-up: that drops the battery and stays busy for 0.8 s.
        self.attempt(0, lambda: self.hook(ioctls.HOOK_RINGOFF), clock)
        self.out.append(OnHook(self.index, clock))

    @property
    def _window(self) -> int:
        return self.settings.pulse_window_s * SAMPLE_RATE_HZ

    def _dialling(self, clock: int) -> bool:
        if self._told_dialling is not None:
            return self._told_dialling
        return clock < self._dialling_until

    def _pulse_digit(self, digit: str, clock: int) -> None:
        if self._no_pulse:
            self._no_pulse = False
        elif digit == "1" and not self._dialling(self._pulse_began):
            self.out.append(Flash(self.index, self._pulse_began, SHORT_FLASH_MS))
        elif digit.isdigit():
            self._dialling_until = clock + self._window
            self.out.append(PulseDigit(self.index, clock, digit))
        else:
            log.info("channel %d: more pulses than a digit has", self.channel.number)

    def _transfer_again(self, clock: int) -> None:
        """A burst of ringing closes the speech path that a transfer opened."""
        left_ms = (self._transfer_until - clock) * 1000 // SAMPLE_RATE_HZ
        if left_ms > 0:
            self.channel.ask(ioctls.ONHOOKTRANSFER, left_ms)

    def pass_time(self, clock: int) -> None:
        """Once per tick: bring the feed back after a drop; see to a new port's hook."""
        super().pass_time(clock)
        if clock < self._new_until:
            self._look(clock)
        if self.lost_feed and not self.finishing and self._waiting is None:
            self.lost_feed = False
            if self.off_hook:
                self.attempt(0, lambda: self.hook(ioctls.HOOK_OFFHOOK), clock)

    # ------------------------------------------------------------- commands
    def command(self, number: int, command: Command, clock: int) -> None:
        """Ring, polarity, battery, lamp, speech to a telephone that is on hook."""
        match command:
            case StartRinging(cadence_ms=cadence_ms):
                self._ring(number, cadence_ms, clock)
            case StopRinging():
                self._stop_ringing(number, clock)
            case SetPolarity(reversed_=reversed_) if "polarity" in self.can:
                self.attempt(number, lambda: self._polarity(reversed_), clock)
            case DropBattery(duration_ms=duration_ms):
                self._drop(number, duration_ms, clock)
            case OnHookTransfer(duration_ms=duration_ms) if "onhook-audio" in self.can:
                self._transfer(number, duration_ms, clock)
            case MessageLamp(on=on) if "lamp" in self.can:
                self._lamp(number, on, clock)
            case ReadBreaks(dialling=dialling):
                self._told_dialling = dialling
                self.done(number, clock)
            case _:
                self.not_for(number, command, clock)

    def _ring(self, number: int, cadence_ms: tuple[int, ...], clock: int) -> None:
        if self.off_hook:
            self.failed(number, clock, "the telephone is off hook")
            return
        try:
            cadence = ioctls.ring_cadence(cadence_ms)
        except ValueError as error:
            self.failed(number, clock, str(error))
            return

        def ring() -> None:
            if self.ringing:
                self.hook(ioctls.HOOK_RINGOFF)
            self.channel.request(ioctls.SETCADENCE, cadence)
            self.hook(ioctls.HOOK_RING)
            self.ringing = True

        self.attempt(number, ring, clock)

    def _stop_ringing(self, number: int, clock: int) -> None:
        if self.off_hook:
            # Answered meanwhile; "ring off" would put the telephone on hook for the kernel.
            self.done(number, clock)
            return
        if self._waiting is not None:
            # A ringing that has not begun is not a failure when nobody wants it any more.
            self.done(self._waiting.command_id, clock)
            self._waiting = None
        self.ringing = False
        self.attempt(number, lambda: self.hook(ioctls.HOOK_RINGOFF), clock)

    def _polarity(self, reversed_: bool) -> None:
        self.channel.ask(ioctls.SETPOLARITY, int(reversed_))
        self.reversed_ = reversed_

    def _drop(self, number: int, duration_ms: int, clock: int) -> None:
        if not self.off_hook:
            self.failed(number, clock, "the telephone is on hook: there is nothing to tell it")
            return
        if not DROP_MS / DROP_TOLERANCE <= duration_ms <= DROP_MS * DROP_TOLERANCE:
            self.failed(number, clock, f"this card drops the battery for {DROP_MS} ms and no other time")
            return

        def drop() -> None:
            self.hook(ioctls.HOOK_ONHOOK)
            self.channel.forget_queue()
            self.lost_feed = True

        self.attempt(number, drop, clock, ioctls.EVENT_HOOKCOMPLETE, DROP_MS + DROP_REST_MS)

    def _transfer(self, number: int, duration_ms: int, clock: int) -> None:
        if self.off_hook:
            self.failed(number, clock, "the telephone is off hook")
            return
        if not 1 <= duration_ms <= MOST_TRANSFER_MS:
            self.failed(number, clock, f"{duration_ms} ms is not between 1 and {MOST_TRANSFER_MS} ms")
            return
        self._transfer_until = clock + duration_ms * SAMPLE_RATE_HZ // 1000
        self._direct(number, ioctls.ONHOOKTRANSFER, duration_ms, clock)

    def _lamp(self, number: int, on: bool, clock: int) -> None:
        self._direct(number, ioctls.VMWI, int(on), clock)

    def _direct(self, number: int, request: int, value: int, clock: int) -> None:
        """A request that disturbs no command under way (ringing may be waiting)."""
        try:
            self.channel.ask(request, value)
        except OSError as error:
            self.failed(number, clock, reason(error))
        else:
            self.done(number, clock)

    # -------------------------------------------------------------- measure
    def measure(self) -> LineMeasure:
        """Voltage between the wires where the driver has it; the current is never told."""
        found = self.stats_v() if "voltage" in self.can else None
        return LineMeasure(
            volts=abs(found[0] - found[1]) if found is not None else None,
            milliamps=None,
            reversed_=self.reversed_ if "polarity" in self.can else None,
            off_hook=self.off_hook,
        )
