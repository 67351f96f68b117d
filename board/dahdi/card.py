"""DAHDI spans as one `board.api.Board`.

One channel, the master, paces the tick: a block of it is a tick of the card.
Blocks of the other channels come a little earlier or later, each with its own
steady offset, and are taken in order. When the master goes, another channel
takes over; when no channel gives samples, ticks go on by the clock of the machine
for a while, silent, so that other cards are not held up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

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
    Samples,
    Tick,
)
from board.dahdi import ioctls
from board.dahdi.channel import Channel, ChannelGone
from board.dahdi.kernel import READABLE, Kernel, LinuxKernel, reason
from board.dahdi.line import LinePort
from board.dahdi.port import DahdiPort
from board.dahdi.settings import DahdiSettings
from board.dahdi.spans import ChannelInfo, Control
from board.dahdi.telephone import TelephonePort
from board.door import Door
from board.keep import Keeper

log = logging.getLogger(__name__)

BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE_HZ
LATE_S = 0.03
"""How much longer than a block to wait for the master."""
VAIN_POLLS = 64
"""Wake-ups in one tick that bring no block (events are some of them)."""
MUTE_TICKS = 25
"""A port without samples for half a second is told as gone."""
DEAD_TICKS = 150
"""A card without samples for three seconds is lost."""
LOOK_TICKS = 50
"""How often to look whether a card that was pulled is back."""
NO_SAMPLES = "the port gives no samples: check the card"
REMOVED = "the card has been removed"


@dataclass
class Counters:
    """What went wrong with the sound, over all ports, since the card was opened."""

    slips: int = 0
    underruns: int = 0
    overruns: int = 0
    samples_lost: int = 0


@dataclass
class Socket:
    """One row of the matrix: the port, while it exists."""

    info: ChannelInfo
    port: DahdiPort | None
    shown: PortInfo
    mute: bool = False


class DahdiBoard:
    """The cards (or spans) chosen by an address, as one board."""

    grain = BLOCK_SAMPLES
    """The kernel tells of whole blocks only (see `board.clocks.Waitable`)."""

    def __init__(
        self,
        address: str = "",
        settings: DahdiSettings | None = None,
        card_id: str = "",
        kernel: Kernel | None = None,
        door: Door[list[ChannelInfo]] | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """`address`: "" for all spans, "1,2" for span numbers, or the name of a card (`find_cards`).

        door: cards that come back are looked for behind it; with a kernel of one's own, at once.
        keeper: who holds lines in a call when this program dies; without one they end with it.
        BoardError says what is missing.
        """
        self._kernel: Kernel = kernel or LinuxKernel()
        self._door: Door[list[ChannelInfo]] = door or Door("dahdi", threaded=kernel is None)
        self._settings = settings or DahdiSettings()
        self._keeper = keeper
        self._address = address
        self._events: list[PortEvent] = []
        self._clock = 0
        self._last_command = 0
        self._silent_ticks = 0
        self._ticks = 0
        self._open = True
        self._owner: dict[int, Socket] = {}
        self._sockets: list[Socket] = []
        self._master: Socket | None = None
        self._past = Counters()
        self._behind = 0
        """Blocks more to be played, while this card follows another."""
        self._lost: int | None = None
        """Of the block that is there and has not been read; None when none is."""
        with Control(self._kernel) as control:
            control.assign()
            channels = self._chosen(control.channels())
            control.load_zone()
            for span in sorted({channel.span for channel in channels}):
                control.start_up(span)
            for channel in channels:
                control.configure(channel)
        self._id = card_id or _board_id(channels)
        try:
            for index, info in enumerate(channels):
                self._sockets.append(self._fit(index, info))
            self._start()
        except (BoardError, OSError, ChannelGone) as error:
            self.close()
            if isinstance(error, BoardError):
                raise
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise BoardError(f"dahdi: the card cannot be started: {why}") from error
        self._audio: Samples = np.zeros((len(self._sockets), BLOCK_SAMPLES), np.int16)

    def _chosen(self, channels: list[ChannelInfo]) -> list[ChannelInfo]:
        address = self._address
        parts = [part.strip() for part in address.split(",") if part.strip()]
        if not parts:
            chosen = channels
        elif all(part.isdigit() for part in parts):
            wanted = {int(part) for part in parts}
            chosen = [channel for channel in channels if channel.span in wanted]
            if missing := wanted - {channel.span for channel in chosen}:
                there = ", ".join(str(span) for span in sorted({channel.span for channel in channels}))
                raise BoardError(
                    f"dahdi:{address}: there is no analogue span {min(missing)}; there are: {there or 'none'}"
                )
        else:
            chosen = [channel for channel in channels if channel.card == address]
            if not chosen:
                there = ", ".join(dict.fromkeys(channel.card for channel in channels))
                raise BoardError(
                    f"dahdi:{address}: there is no card of this name; there are: {there or 'none'}"
                )
        if not chosen:
            raise BoardError(
                "dahdi: no card with analogue ports was found: is it fitted, and is its driver loaded?"
            )
        return chosen

    def _fit(self, index: int, info: ChannelInfo) -> Socket:
        """Open a channel as the port of a row. BoardError, OSError, ChannelGone."""
        kind, keeper = (LinePort, self._keeper) if info.kind is PortKind.FXO else (TelephonePort, None)
        channel = Channel(self._kernel, info.number, self._settings.ahead_blocks + self._behind, keeper)
        try:
            port = kind(index, info, channel, self._settings, self._clock)
            channel.start()
        except (OSError, ChannelGone):
            channel.close()
            raise
        socket = Socket(info, port, port.port_info(self._id))
        self._owner[channel.fd] = socket
        return socket

    def _start(self) -> None:
        """Let all channels begin as close together as can be: the opening has taken its time."""
        for socket in self._sockets:
            if socket.port is not None:
                socket.port.channel.start()
        self._follow(self._sockets[0])
        self._due_s = self._kernel.now_s() + BLOCK_S

    # ------------------------------------------------------------ the board
    @property
    def id(self) -> str:
        """The card's own name; `dahdi` for several cards."""
        return self._id

    @property
    def caps(self) -> CardCaps:
        """Nothing beyond the ports."""
        return CardCaps(firmware="", features=frozenset({"dahdi"}))

    @property
    def ports(self) -> Sequence[PortInfo]:
        """In the order of card, span and position."""
        return tuple(socket.shown for socket in self._sockets)

    @property
    def counters(self) -> Counters:
        """Sums over all ports."""
        past = self._past
        total = Counters(past.slips, past.underruns, past.overruns, past.samples_lost)
        for socket in self._sockets:
            if socket.port is not None:
                _add(total, socket.port.channel)
        return total

    @property
    def echo_blocks(self) -> int:
        """Blocks that lie in the kernel's playing queue when the next one is written."""
        return self._settings.ahead_blocks + self._behind - 1

    def health(self) -> dict[str, Any]:
        """The counters, for the engine's health."""
        return asdict(self.counters)

    def wait(self, timeout_s: float) -> bool:
        """Whether `read` has a block within `timeout_s`. BoardError when there was none for 3 s."""
        self._need_open()
        if self._lost is None:
            self._lost = self._next(self._kernel.now_s() + timeout_s)
        return self._lost is not None

    def waiting(self) -> int:
        """Samples captured and not yet read, in whole blocks."""
        port = self._master.port if self._master is not None else None
        return len(port.channel.blocks) * BLOCK_SAMPLES if port is not None else 0

    def follow(self, on: bool) -> None:
        """Another card paces: blocks are fetched up to 20 ms late, so one more is kept to be played."""
        self._behind = int(on)
        for socket in self._sockets:
            if socket.port is None:
                continue
            try:
                socket.port.channel.keep_ahead(self._settings.ahead_blocks + self._behind)
            except ChannelGone as error:
                self._vanish(socket, error, self._clock)

    def read(self) -> Tick:
        """Next block, when the card has it. BoardError when it gives none for 3 s, or is gone."""
        while not self.wait(BLOCK_S + LATE_S):
            pass
        lost, self._lost = self._lost or 0, None
        self._past.samples_lost += lost
        self._ticks += 1
        end = self._clock + BLOCK_SAMPLES
        audio = np.zeros_like(self._audio)
        for row, socket in enumerate(self._sockets):
            port = socket.port
            if port is None:
                continue
            try:
                port.channel.pull()
                block = port.channel.take()
                if block is not None:
                    audio[row] = block
                self._heed(socket, block is not None, end)
                self._translate(port, end - 1)
                port.pass_time(end - 1)
            except (ChannelGone, OSError) as error:
                self._vanish(socket, error, end - 1)
                continue
            self._events += port.out
            port.out.clear()
        if self._ticks % LOOK_TICKS == 0 or self._door.opening:
            self._look_for_returned()
        clock, self._clock = self._clock, end
        # A command's result may be dated a moment after the block it was given in.
        events = sorted(self._events, key=lambda event: event.clock)
        self._events = [event for event in events if event.clock >= end]
        return Tick(clock, audio, tuple(event for event in events if event.clock < end), lost)

    def write(self, audio: Samples) -> None:
        """Samples int16 [ports, 160] for the next block; BoardError for any other shape or type."""
        self._need_open()
        if audio.shape != self._audio.shape or audio.dtype != np.int16:
            shape = list(self._audio.shape)
            raise BoardError(f"write needs int16 samples {shape}, not {audio.dtype} {list(audio.shape)}")
        for row, socket in enumerate(self._sockets):
            port = socket.port
            if port is None:
                continue
            try:
                # A write would end the kernel's own pulse dialling.
                if not port.quiet:
                    port.channel.push(audio[row])
            except ChannelGone as error:
                self._vanish(socket, error, self._clock)

    def command(self, port: int, command: Command) -> int:
        """Begin a command; its result comes as an event."""
        socket = self._socket(port)
        self._last_command += 1
        number = self._last_command
        clock = self._now()
        if socket.port is None:
            self._events.append(CommandFailed(port, clock, number, "the port is gone"))
            return number
        try:
            socket.port.command(number, command, clock)
        except OSError as error:
            self._events.append(CommandFailed(port, clock, number, reason(error)))
        return number

    def measure(self, port: int) -> LineMeasure:
        """What the driver tells about a port now; unknown is None."""
        socket = self._socket(port)
        return socket.port.measure() if socket.port is not None else LineMeasure()

    def close(self) -> None:
        """All ports on hook, all channels released. Idempotent."""
        if not self._open:
            return
        self._open = False
        for socket in self._sockets:
            if socket.port is not None:
                socket.port.release()
                socket.port = None

    # ---------------------------------------------------------------- time
    def _now(self) -> int:
        """Sample clock of this moment, within the block that is coming in."""
        since_s = self._kernel.now_s() - (self._due_s - BLOCK_S)
        return self._clock + max(0, min(BLOCK_SAMPLES - 1, int(since_s * SAMPLE_RATE_HZ)))

    def _next(self, until_s: float) -> int | None:
        """Wait for the master's next block: samples lost before it; None when it is not there in time.

        When nobody has a block and the tick is late enough, a silent one, lost, takes its place.
        """
        vain = 0
        while True:
            if self._master is not None and self._ready(self._master):
                self._has_samples()
                return 0
            now_s = self._kernel.now_s()
            if now_s >= self._due_s + LATE_S:
                return 0 if self._without_master() else BLOCK_SAMPLES
            if now_s >= until_s:
                return None
            left_s = min(self._due_s + LATE_S, until_s) - now_s
            vain += 1
            if vain == VAIN_POLLS and self._master is not None and self._master.port is not None:
                # It is told to be readable and is not: wait for the time only.
                self._master.port.channel.pace(False)
            for fd, mask in self._kernel.poll(left_s * 1000.0):
                self._polled(fd, mask)

    def _has_samples(self) -> None:
        """A tick can be given. Late blocks are left out for the silent ticks in their place."""
        self._due_s = self._kernel.now_s() + BLOCK_S
        if not self._silent_ticks:
            return
        if self._master is not None:
            self._follow(self._master)
        for socket in self._sockets:
            if self._ready(socket) and socket.port is not None:
                blocks = socket.port.channel.blocks
                for _ in range(min(self._silent_ticks, len(blocks) - 1)):
                    blocks.popleft()
        self._silent_ticks = 0

    def _ready(self, socket: Socket) -> bool:
        """Whether a channel has a block for the next tick."""
        port = socket.port
        if port is None:
            return False
        try:
            port.channel.pull()
        except ChannelGone as error:
            self._vanish(socket, error, self._now())
            return False
        return bool(port.channel.blocks)

    def _without_master(self) -> bool:
        """Let another channel pace; with none, tick by the machine's clock. BoardError in the end."""
        for socket in self._sockets:
            if socket is not self._master and self._ready(socket):
                self._follow(socket)
                self._has_samples()
                return True
        self._silent_ticks += 1
        if all(socket.port is None for socket in self._sockets) and not self._events:
            # After a last tick that told of it port by port.
            raise BoardError(f"dahdi: {REMOVED}")
        if self._silent_ticks >= DEAD_TICKS:
            raise BoardError("dahdi: the card gives no samples: check it and its driver, then start again")
        # From now on every 20 ms: the time that was waited is made up by the next ticks.
        self._due_s += BLOCK_S
        return False

    def _follow(self, socket: Socket) -> None:
        if self._master not in (None, socket) and self._master.port is not None:
            self._master.port.channel.pace(False)
            log.warning("%s no longer paces the card, %s does", self._master.shown.name, socket.shown.name)
        self._master = socket
        if socket.port is not None:
            socket.port.channel.pace(True)

    def _polled(self, fd: int, mask: int) -> None:
        socket = self._owner.get(fd)
        if socket is None or socket.port is None:
            self._kernel.forget(fd)
            return
        channel = socket.port.channel
        clock = self._now()
        try:
            if mask & ~READABLE:
                channel.fetch_events()
            self._translate(socket.port, clock)
            if channel.trouble(mask):
                raise ChannelGone(REMOVED)
        except (ChannelGone, OSError) as error:
            self._vanish(socket, error, clock)

    # --------------------------------------------------------------- events
    def _translate(self, port: DahdiPort, clock: int) -> None:
        codes = port.channel.codes
        while codes:
            code = codes.popleft()
            if code == ioctls.EVENT_REMOVED:
                raise ChannelGone(REMOVED)
            port.event(code, clock)

    def _heed(self, socket: Socket, has_block: bool, clock: int) -> None:
        """Tell of a port that falls silent while the card runs, and of its return."""
        port = socket.port
        assert port is not None
        port.missed = 0 if has_block else port.missed + 1
        if port.missed == MUTE_TICKS:
            socket.mute = True
            port.out.append(PortGone(port.index, clock - 1, NO_SAMPLES))
        elif has_block and socket.mute:
            socket.mute = False
            port.out.append(PortBack(port.index, clock - 1))

    def _vanish(self, socket: Socket, error: Exception, clock: int) -> None:
        """A channel is no more: its port is gone, the others go on."""
        port, socket.port = socket.port, None
        if port is None:
            return
        why = reason(error) if isinstance(error, OSError) else str(error)
        log.error("%s: %s", socket.shown.name, why)
        port.interrupt(clock)
        self._events += port.out
        _add(self._past, port.channel)
        self._owner.pop(port.channel.fd, None)
        port.channel.close()
        if not socket.mute:
            self._events.append(PortGone(port.index, clock, why))
        socket.mute = False
        if socket is self._master:
            left = [one for one in self._sockets if one.port is not None]
            if left:
                self._follow(left[0])

    def _look_for_returned(self) -> None:
        """A card that was pulled may have come back, with other numbers but the same name."""
        gone = {socket.info.place: socket for socket in self._sockets if socket.port is None}
        if not gone:
            return
        try:
            if not self._door.opening:
                places = frozenset(gone)
                self._door.open(lambda: self._search(places))
            back = self._door.take()
        except BoardError as error:
            log.info("looking for cards that come back: %s", error)
            return
        for info in back or ():
            if info.place in gone:
                self._refit(gone[info.place], info)

    def _search(self, places: frozenset[tuple[str, int, int]]) -> list[ChannelInfo]:
        """Channels that are back at these places, ready to be opened. A driver may take seconds for it."""
        with Control(self._kernel) as control:
            control.assign()
            back = [info for info in control.channels() if info.place in places]
            for span in sorted({info.span for info in back}):
                control.start_up(span)
            for info in back:
                control.configure(info)
        return back

    def _refit(self, socket: Socket, info: ChannelInfo) -> None:
        index = socket.shown.index
        try:
            fitted = self._fit(index, info)
        except (BoardError, OSError, ChannelGone) as error:
            log.warning("%s is back and cannot be used: %s", socket.shown.name, error)
            return
        socket.info, socket.port, socket.shown = info, fitted.port, fitted.shown
        if fitted.port is not None:
            self._owner[fitted.port.channel.fd] = socket
        self._events.append(PortBack(index, self._clock))

    def _socket(self, port: int) -> Socket:
        self._need_open()
        if not 0 <= port < len(self._sockets):
            raise BoardError(f"port {port} does not exist: ports are 0 to {len(self._sockets) - 1}")
        return self._sockets[port]

    def _need_open(self) -> None:
        if not self._open:
            raise BoardError("the card has been closed: open it again")


def _add(total: Counters, channel: Channel) -> None:
    total.slips += channel.slips
    total.underruns += channel.underruns
    total.overruns += channel.overruns


def _board_id(channels: list[ChannelInfo]) -> str:
    cards = list(dict.fromkeys(channel.card for channel in channels))
    return f"dahdi-{cards[0]}" if len(cards) == 1 else "dahdi"
