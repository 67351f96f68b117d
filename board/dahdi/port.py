"""What both kinds of DAHDI port have in common: commands that take their time, and their end."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from board.api import (
    SAMPLE_RATE_HZ,
    Command,
    CommandDone,
    CommandFailed,
    LineMeasure,
    PortEvent,
    PortInfo,
)
from board.dahdi import ioctls
from board.dahdi.channel import Channel
from board.dahdi.kernel import reason
from board.dahdi.settings import DahdiSettings
from board.dahdi.spans import ZONE, ChannelInfo

RETRY_SAMPLES = 2 * SAMPLE_RATE_HZ
"""The kernel says "busy" for up to 0.8 s after hanging up and while it debounces."""
FINISH_SAMPLES = 2 * SAMPLE_RATE_HZ
"""What the kernel has begun and not reported within this time beyond its length has failed."""


@dataclass
class Waiting:
    """A command that is not finished."""

    command_id: int
    act: Callable[[], None]
    finish: int
    """Event code that tells its end; EVENT_NONE when it is done at once."""
    length_samples: int
    give_up: int
    """Clock after which it has failed."""
    begun: bool = False


class DahdiPort:
    """One port while its channel exists."""

    def __init__(
        self, index: int, info: ChannelInfo, channel: Channel, settings: DahdiSettings, clock: int
    ) -> None:
        """Set up the channel; OSError when the card goes away meanwhile."""
        self.index = index
        self.info = info
        self.channel = channel
        self.settings = settings
        self.out: list[PortEvent] = []
        """Events for the next tick."""
        self.off_hook = False
        self.missed = 0
        """Ticks in a row without samples."""
        self._waiting: Waiting | None = None
        channel.ask(ioctls.SETTONEZONE, ZONE)
        self.can = self.probe()
        self.begin(clock)

    @property
    def quiet(self) -> bool:
        """Nothing may be written just now."""
        return False

    def probe(self) -> frozenset[str]:
        """Capabilities, tried on the driver; what it does not know is not claimed."""
        raise NotImplementedError

    def begin(self, clock: int) -> None:
        """Timings, and the state that the port is found in."""
        raise NotImplementedError

    def event(self, code: int, clock: int) -> None:
        """React to an event of the kernel."""
        raise NotImplementedError

    def command(self, number: int, command: Command, clock: int) -> None:
        """Begin a command."""
        raise NotImplementedError

    def port_info(self, card_id: str) -> PortInfo:
        """As the interface names it."""
        return PortInfo(self.index, self.info.kind, f"{card_id}/{self.index}", self.can)

    # ------------------------------------------------------------ commands
    def done(self, number: int, clock: int) -> None:
        """Tell that a command has taken effect; 0 is the port's own doing."""
        if number:
            self.out.append(CommandDone(self.index, clock, number))

    def failed(self, number: int, clock: int, why: str) -> None:
        """Tell that a command did not take effect."""
        if number:
            self.out.append(CommandFailed(self.index, clock, number, why))

    def hook(self, value: int) -> None:
        """Ask for a hook state; "in progress" is success of a non-blocking descriptor."""
        try:
            self.channel.ask(ioctls.HOOK, value)
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise

    def attempt(
        self,
        number: int,
        act: Callable[[], None],
        clock: int,
        finish: int = ioctls.EVENT_NONE,
        length_ms: int = 0,
    ) -> None:
        """Do it now, or as soon as the kernel is not busy; `finish` is the event that ends it."""
        self.interrupt(clock)
        length = length_ms * SAMPLE_RATE_HZ // 1000
        self._waiting = Waiting(number, act, finish, length, clock + RETRY_SAMPLES)
        self._try(clock)

    def _try(self, clock: int) -> None:
        waiting = self._waiting
        assert waiting is not None
        try:
            waiting.act()
        except OSError as error:
            if error.errno == errno.EBUSY and clock < waiting.give_up:
                return
            self._waiting = None
            self.failed(waiting.command_id, clock, reason(error))
            return
        if waiting.finish == ioctls.EVENT_NONE:
            self._waiting = None
            self.done(waiting.command_id, clock)
        else:
            waiting.begun = True
            waiting.give_up = clock + waiting.length_samples + FINISH_SAMPLES

    def interrupt(self, clock: int) -> None:
        """Another command takes over."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.failed(waiting.command_id, clock, "interrupted by another command")

    def finished(self, code: int, clock: int) -> bool:
        """An event that may end the command under way; True when it did."""
        waiting = self._waiting
        if waiting is None or not waiting.begun or waiting.finish != code:
            return False
        self._waiting = None
        self.done(waiting.command_id, clock)
        return True

    @property
    def finishing(self) -> int:
        """Event code that the command under way waits for; EVENT_NONE when there is none."""
        return self._waiting.finish if self._waiting is not None and self._waiting.begun else 0

    def pass_time(self, clock: int) -> None:
        """Once per tick: try again, or give up."""
        waiting = self._waiting
        if waiting is None:
            return
        if not waiting.begun:
            self._try(clock)
        elif clock >= waiting.give_up:
            self._waiting = None
            self.failed(waiting.command_id, clock, "the card did not report its end")

    def not_for(self, number: int, command: Command, clock: int) -> None:
        """Refuse a command for the other kind of port, or one that the driver does not know."""
        kind = self.info.kind.value
        self.failed(number, clock, f"{type(command).__name__} is not for {kind} ports of this card")

    # ------------------------------------------------------------- measure
    def measure(self) -> LineMeasure:
        """What the driver tells; unknown is None."""
        raise NotImplementedError

    def stats_v(self) -> tuple[float, float] | None:
        """Voltages of tip and ring; None when the driver has none."""
        try:
            data = self.channel.request(ioctls.WCTDM_GET_STATS, bytearray(ioctls.LINE_STATS.size))
        except OSError:
            return None
        tip_mv, ring_mv, _ = ioctls.LINE_STATS.unpack(data)
        return tip_mv / 1000.0, ring_mv / 1000.0

    def release(self) -> None:
        """On hook, as far as the card still answers, unless it is left to the next program; and closed."""
        if self.channel.leaves:
            self.channel.close()
            return
        try:
            self.hook(ioctls.HOOK_RINGOFF)
        except OSError as error:
            if error.errno not in (errno.ENODEV, errno.ENXIO, errno.EIO):
                raise
        finally:
            self.channel.close()
