"""FXO: a phone-company line.

The kernel hides its ring events for 2 s after *its* hang-up, so a call that comes
right after another would lose its first burst, and it empties all buffers. We
hang up by "ring off", which opens the loop and does neither.
"""

from __future__ import annotations

from board.api import (
    SAMPLE_RATE_HZ,
    BatteryBack,
    BatteryLost,
    Command,
    DialPulses,
    FlashHook,
    KeepLine,
    LineKept,
    LineMeasure,
    PolarityReversed,
    RingOff,
    RingOn,
    SetHook,
)
from board.dahdi import ioctls
from board.dahdi.port import DahdiPort

TRAILER_SAMPLES = SAMPLE_RATE_HZ * 50 // 1000
"""The kernel tells the end of a burst this much late."""
HANG_UP_CLICK_SAMPLES = SAMPLE_RATE_HZ * 300 // 1000
"""Ring voltage within this time after hanging up is the line's own swing, unless it lasts longer."""
PULSE_BREAK_MS = 60
PULSE_MAKE_MS = 40
PULSE_GAP_MS = 700
MOST_PULSE_DIGITS = 32


class LinePort(DahdiPort):
    """Ring, battery, polarity in; hook, flash, pulses out."""

    ringing = False
    battery = True
    reversed_ = False
    _hung_up_at = -HANG_UP_CLICK_SAMPLES
    _note: str | None = None
    """What the next program is to know, should this one die; None: the line ends with it."""
    _held_ring: int | None = None
    """Clock of ring voltage that may still be the click of our own hang-up."""

    def probe(self) -> frozenset[str]:
        """Drivers with voltages are those that tell polarity too."""
        can = {"onhook-audio"}
        if self.info.signalling == ioctls.SIG_FXSKS:
            can.add("battery")
        if self.stats_v() is not None:
            can |= {"voltage", "polarity"}
        if self.channel.keeps:
            can.add("keeps")
        return frozenset(can)

    def begin(self, clock: int) -> None:
        """Pulse timing; a line that is dead already, or off hook since before our time, is told as such."""
        self.channel.change_params(
            debounce_ms=self.settings.line_debounce_ms,
            pulse_break_ms=PULSE_BREAK_MS,
            pulse_make_ms=PULSE_MAKE_MS,
            pulse_after_ms=PULSE_GAP_MS,
        )
        if self.info.alarm or self.channel.params().alarms:
            self.battery = False
            self.out.append(BatteryLost(self.index, clock))
        if self.channel.left_note is not None:
            self._take_over(self.channel.left_note, clock)

    def _take_over(self, note: str, clock: int) -> None:
        """Go on with a call of the program before. If that had hung up, or the far end has meanwhile, the
        line is put on hook."""
        self.channel.fetch_events()
        gone = {ioctls.EVENT_ONHOOK, ioctls.EVENT_ALARM} & set(self.channel.codes)
        self.channel.codes.clear()
        params = self.channel.params()
        if gone or params.tx_hook != ioctls.TX_OFFHOOK or params.rx_hook == ioctls.RX_ONHOOK:
            self.hook(ioctls.HOOK_RINGOFF)
            return
        self.off_hook = True
        self.out.append(LineKept(self.index, clock, note))

    @property
    def quiet(self) -> bool:
        """While the kernel dials pulses, a write would end them."""
        return self.finishing == ioctls.EVENT_DIALCOMPLETE

    # --------------------------------------------------------------- events
    def event(self, code: int, clock: int) -> None:
        """Kernel event → what happened on the line."""
        match code:
            case ioctls.EVENT_RINGBEGIN:
                if clock - self._hung_up_at < HANG_UP_CLICK_SAMPLES:
                    self._held_ring = clock
                else:
                    self._ring_on(clock)
            case ioctls.EVENT_RINGOFFHOOK:
                self._ring_ended(clock)
            case ioctls.EVENT_ONHOOK:
                self._battery_lost(clock)
            case ioctls.EVENT_ALARM:
                self._battery_lost(clock)
            case ioctls.EVENT_NOALARM:
                self._look_for_battery(clock)
            case ioctls.EVENT_POLARITY:
                self.reversed_ = not self.reversed_
                self.out.append(PolarityReversed(self.index, clock, self.reversed_))
            case ioctls.EVENT_HOOKCOMPLETE | ioctls.EVENT_DIALCOMPLETE:
                self.finished(code, clock)

    def _ring_on(self, clock: int) -> None:
        self.ringing = True
        self._held_ring = None
        self.out.append(RingOn(self.index, clock))

    def _ring_ended(self, clock: int) -> None:
        end = clock - TRAILER_SAMPLES
        if self._held_ring is not None:
            begun, self._held_ring = self._held_ring, None
            if end - begun < HANG_UP_CLICK_SAMPLES:
                return
            self._ring_on(begun)
        if not self.ringing:
            if self.off_hook:
                return
            # Its beginning was hidden by the kernel (2 s after the channel was opened).
            self._ring_on(end)
        self.ringing = False
        self.out.append(RingOff(self.index, end))

    def _battery_lost(self, clock: int) -> None:
        if self.battery:
            self.battery = False
            self.out.append(BatteryLost(self.index, clock))

    def _look_for_battery(self, clock: int) -> None:
        """The kernel has no event for battery that comes back while we hold the line."""
        params = self.channel.params()
        if params.rx_hook != ioctls.RX_ONHOOK and not params.alarms:
            self.battery = True
            self.out.append(BatteryBack(self.index, clock))

    def pass_time(self, clock: int) -> None:
        """Once per tick: battery, a held ring, and commands that wait."""
        super().pass_time(clock)
        if not self.battery:
            self._look_for_battery(clock)
        if self._held_ring is not None and clock - self._held_ring >= HANG_UP_CLICK_SAMPLES:
            self._ring_on(self._held_ring)

    # ------------------------------------------------------------- commands
    def command(self, number: int, command: Command, clock: int) -> None:
        """Take or release the line, flash, dial pulses."""
        match command:
            case SetHook(off_hook=True):
                self.attempt(number, self._take, clock)
            case SetHook(off_hook=False):
                self.attempt(number, lambda: self._hang_up(clock), clock)
            case KeepLine(note=note):
                self._keep(number, note, clock)
            case FlashHook(duration_ms=duration_ms):
                self._flash(number, duration_ms, clock)
            case DialPulses(digits=digits):
                self._dial(number, digits, clock)
            case _:
                self.not_for(number, command, clock)

    def _take(self) -> None:
        self.hook(ioctls.HOOK_OFFHOOK)
        self.off_hook = True
        if self._note is not None:
            self.channel.keep(self._note)

    def _hang_up(self, clock: int) -> None:
        self.hook(ioctls.HOOK_RINGOFF)
        if self.off_hook:
            self._hung_up_at = clock
        self.off_hook = False
        self._note = None
        self.channel.keep_no_more()

    def _keep(self, number: int, note: str, clock: int) -> None:
        if not self.channel.keeps:
            self.failed(number, clock, "nobody is there to keep the line")
            return
        self._note = note
        if self.off_hook:  # else as soon as the kernel lets us take the line
            self.channel.keep(note)
        self.done(number, clock)

    def _flash(self, number: int, duration_ms: int, clock: int) -> None:
        if not self.off_hook:
            self.failed(number, clock, "the line is on hook: take it first")
            return
        if not 10 <= duration_ms <= 2000:
            self.failed(number, clock, f"a flash of {duration_ms} ms is not between 10 and 2000 ms")
            return

        def flash() -> None:
            self.channel.change_params(flash_ms=duration_ms)
            self.hook(ioctls.HOOK_FLASH)

        self.attempt(number, flash, clock, ioctls.EVENT_HOOKCOMPLETE, duration_ms)

    def _dial(self, number: int, digits: str, clock: int) -> None:
        if not self.off_hook:
            self.failed(number, clock, "the line is on hook: take it first")
            return
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_PULSE_DIGITS):
            most = f"1 to {MOST_PULSE_DIGITS} digits 0-9"
            self.failed(number, clock, f"{digits!r} cannot be dialled by pulses: use {most}")
            return
        pulses = sum(int(digit) or 10 for digit in digits)
        length_ms = pulses * (PULSE_BREAK_MS + PULSE_MAKE_MS) + len(digits) * PULSE_GAP_MS

        def dial() -> None:
            self.channel.request(ioctls.DIAL, ioctls.dial(ioctls.DIAL_REPLACE, "P" + digits))

        self.attempt(number, dial, clock, ioctls.EVENT_DIALCOMPLETE, length_ms)

    # -------------------------------------------------------------- measure
    def measure(self) -> LineMeasure:
        """Line voltage where the driver has it (1 V steps, also on hook); the current is never told."""
        found = self.stats_v() if "voltage" in self.can else None
        return LineMeasure(
            volts=found[0] if found is not None else None,
            milliamps=None,
            reversed_=self.reversed_ if "polarity" in self.can else None,
            off_hook=self.off_hook,
        )
