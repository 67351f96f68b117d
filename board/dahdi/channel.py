"""One DAHDI channel as a stream of blocks in both directions and a queue of event codes.

Nothing here blocks. How deep the kernel's playing queue is, the kernel only tells
when it is empty; else it follows from the two directions running on one clock:

    received          |--0--|--1--|--2--|
    played   |--s--|--s--|--0--|--1--|        s: silence, written before the first block came
    depth of the queue right after writing: `ahead`; a tick may be (ahead - 1) blocks late
"""

from __future__ import annotations

import errno
import logging
from collections import deque

import numpy as np

from board.api import BLOCK_SAMPLES, BoardError, Samples
from board.dahdi import ioctls
from board.dahdi.kernel import BROKEN, CHANNEL, READABLE, URGENT, Kernel, ioctl, reason
from board.keep import Keeper

log = logging.getLogger(__name__)

BLOCK_BYTES = BLOCK_SAMPLES * 2
BUFFERS = 8
"""Kernel buffers each way: how long a late tick may be before samples are lost (160 ms)."""

_MOST_TRIES = 4
"""Times that a read or write is tried again after events were fetched, or for the rest of a block."""
_MOST_EVENTS = 256
"""More than the kernel's queue (64) at once means that it does not end."""
_SILENCE = bytes(BLOCK_BYTES)
_SURPLUS_TICKS = 50
"""A block that has been waiting all this time (1 s) only adds delay."""


class ChannelGone(Exception):
    """The channel does not exist any more, or does not answer; the text is for people."""


class Least:
    """The least of a number over the last second: what is there all the time is too much."""

    def __init__(self) -> None:
        self._least = 0
        self._count = 0

    def lasting(self, value: int) -> int:
        """Take note of `value`; at the end of each second the least one, otherwise 0."""
        self._least = min(self._least, value) if self._count else value
        self._count += 1
        if self._count < _SURPLUS_TICKS:
            return 0
        self._count = 0
        return self._least


class Channel:
    """Blocks in, blocks out, events. Owned by the card."""

    def __init__(self, kernel: Kernel, number: int, ahead: int, keeper: Keeper | None = None) -> None:
        """Open channel `number` for us alone, or take it from the keeper as the program before has left it.

        BoardError says what to do when that fails.
        """
        self._kernel = kernel
        self._keeper = keeper
        self._name = f"dahdi-{number}"
        self.number = number
        self._ahead = ahead
        self.blocks: deque[Samples] = deque()
        self._rest = b""
        self._depth = 0
        """Blocks in the kernel's playing queue."""
        self._dry = False
        """The queue ran empty, and late ticks are still to be made up for."""
        self._spare = Least()
        self._surplus = Least()
        self.codes: deque[int] = deque()
        """Events fetched and not yet looked at."""
        self.slips = 0
        """Blocks left out, either way, because they would only have added delay."""
        self.underruns = 0
        """Times that the kernel had nothing to play."""
        self.overruns = 0
        """Times that the kernel had no room for what came in."""
        self.left_note = self._take_over()
        """What the program before has left with the channel; None when we have opened it ourselves."""
        if self.left_note is None:
            self._open()
        kernel.watch(self.fd, URGENT)

    def _open(self) -> None:
        try:
            self.fd = self._kernel.open(CHANNEL)
        except OSError as error:
            raise BoardError(f"dahdi: cannot open {CHANNEL}: {reason(error)}") from error
        try:
            self.ask(ioctls.SPECIFY, self.number)
            self._prepare()
        except OSError as error:
            self._kernel.close(self.fd)
            if error.errno == errno.EBUSY:
                raise BoardError(
                    f"dahdi: channel {self.number} is used by another program: "
                    "stop it (asterisk?) and start again"
                ) from error
            raise BoardError(f"dahdi: channel {self.number} cannot be used: {reason(error)}") from error

    def _take_over(self) -> str | None:
        """The note of a channel that the program before has left open; None when there is none that works."""
        left = self._keeper.take(self._name) if self._keeper is not None else None
        if left is None:
            return None
        self.fd = left.fd
        try:
            self._prepare()
        except OSError as error:
            log.warning("channel %d was kept and cannot be taken over: %s", self.number, reason(error))
            self._kernel.close(self.fd)
            return None
        return left.note

    def _prepare(self) -> None:
        # The law is the hardware's own; the kernel turns it into linear samples for us.
        self.ask(ioctls.SETLAW, ioctls.LAW_DEFAULT)
        self.ask(ioctls.SETLINEAR, 1)
        self.request(ioctls.SET_BUFINFO, ioctls.buffers(BUFFERS, BLOCK_SAMPLES))
        self._tells_dry = self.supports(ioctls.BUFFER_EVENTS, 1)

    # -------------------------------------------------------------- keeping
    @property
    def keeps(self) -> bool:
        """Whether there is somebody to hold the channel for the next program."""
        return self._keeper is not None

    @property
    def leaves(self) -> bool:
        """Whether the next program will find the channel as it is now."""
        return self._keeper is not None and self._keeper.leaves(self._name)

    def keep(self, note: str) -> None:
        """Let the channel outlive this program, with a note."""
        assert self._keeper is not None
        self._keeper.put(self._name, self.fd, note)

    def keep_no_more(self) -> None:
        """Let it end with this program."""
        if self._keeper is not None:
            self._keeper.drop(self._name)

    # ------------------------------------------------------------- requests
    def request(self, request: int, data: bytearray) -> bytearray:
        """A request with a structure; OSError as the kernel gives it."""
        return ioctl(self._kernel, self.fd, request, data)

    def ask(self, request: int, value: int) -> int:
        """A request with a number; the number that comes back."""
        found: int = ioctls.NUMBER.unpack(self.request(request, ioctls.number(value)))[0]
        return found

    def supports(self, request: int, value: int) -> bool:
        """Try a request: whether the driver knows it (refusing it now is knowing it)."""
        try:
            self.ask(request, value)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            return error.errno not in (errno.ENOTTY, errno.ENOSYS, errno.EOPNOTSUPP)
        return True

    def params(self) -> ioctls.Params:
        """State and timing."""
        data = ioctls.Params(self.number).pack()
        return ioctls.Params.unpack(self.request(ioctls.GET_PARAMS, data))

    def change_params(self, **changes: int) -> None:
        """Set some timings, leave the others."""
        params = self.params()
        for name, value in changes.items():
            setattr(params, name, value)
        self.request(ioctls.SET_PARAMS, params.pack())

    # --------------------------------------------------------------- events
    def fetch_events(self) -> None:
        """Move the kernel's events to `codes`. Raises ChannelGone."""
        for _ in range(_MOST_EVENTS):
            try:
                code = self.ask(ioctls.GETEVENT, 0)
            except OSError as error:
                raise ChannelGone(reason(error)) from error
            if code == ioctls.EVENT_NONE:
                return
            if code == ioctls.EVENT_READ_OVERRUN:
                self.overruns += 1
            elif code == ioctls.EVENT_WRITE_UNDERRUN:
                # Nothing can have been written since: the kernel refuses while this event waits.
                self._ran_dry()
            else:
                self.codes.append(code)
        raise ChannelGone("events do not end")

    def trouble(self, mask: int) -> bool:
        """Whether what `poll` says means that the channel is gone."""
        return bool(mask & BROKEN)

    # ---------------------------------------------------------------- audio
    def pace(self, on: bool) -> None:
        """Whether `poll` tells of this channel's blocks too."""
        self._kernel.watch(self.fd, URGENT | READABLE if on else URGENT)

    def start(self) -> None:
        """Begin now: what came in before is forgotten, the playing queue gets its silence."""
        self.fetch_events()
        self.underruns = 0
        try:
            self.ask(ioctls.FLUSH, ioctls.FLUSH_READ | ioctls.FLUSH_WRITE)
        except OSError as error:
            raise ChannelGone(reason(error)) from error
        self.blocks.clear()
        self._rest = b""
        self._depth = 0
        self._fill(self._ahead)

    def keep_ahead(self, blocks: int) -> None:
        """Keep so many blocks in the playing queue from now on; what is too much is left out later."""
        more, self._ahead = blocks - self._ahead, blocks
        if more > 0:
            self._fill(self._depth + more)

    def _fill(self, depth: int) -> None:
        while self._depth < depth and self._put(_SILENCE):
            self._depth += 1

    def pull(self) -> None:
        """Take in the blocks that the kernel has. Raises ChannelGone."""
        for _ in range(BUFFERS):
            data = self._read()
            if not data:
                return
            self._rest += data
            while len(self._rest) >= BLOCK_BYTES:
                self.blocks.append(np.frombuffer(self._rest, np.int16, BLOCK_SAMPLES))
                self._rest = self._rest[BLOCK_BYTES:]
                if self._depth:
                    self._depth -= 1
                elif not self._tells_dry:
                    self._ran_dry()

    def _read(self) -> bytes:
        for _ in range(_MOST_TRIES):
            try:
                return self._kernel.read(self.fd, BLOCK_BYTES)
            except BlockingIOError:
                return b""
            except InterruptedError:
                continue
            except OSError as error:
                self._recover(error)
        raise ChannelGone("events do not end")

    def _recover(self, error: OSError) -> None:
        """Fetch the events that stand in the way; any other error is the end of the channel."""
        if error.errno != ioctls.ELAST:
            raise ChannelGone(reason(error)) from error
        self.fetch_events()

    def take(self) -> Samples | None:
        """The next block; None when the channel has not got it."""
        block = self.blocks.popleft() if self.blocks else None
        for _ in range(self._spare.lasting(len(self.blocks) if block is not None else 0)):
            self.blocks.popleft()
            self.slips += 1
        return block

    def push(self, block: Samples) -> None:
        """Play a block after what is queued. Raises ChannelGone."""
        waiting = len(self.blocks)
        if self._dry:
            # Begin again with the usual reserve, less what is still to be worked off: without this
            # each late tick would leave more delay behind.
            self._fill(self._ahead - 1 - waiting)
        surplus = self._depth + waiting - self._ahead + 1
        # One block more may be the phase between this channel and the tick, for a while.
        too_deep = surplus > 0 if self._dry else surplus > 1 or self._surplus.lasting(max(surplus, 0)) > 0
        if not waiting:
            self._dry = False
        if too_deep or not self._put(block.tobytes()):
            self.slips += 1
        else:
            self._depth += 1

    def _ran_dry(self) -> None:
        self._dry = True
        self._depth = 0
        self.underruns += 1

    def forget_queue(self) -> None:
        """The kernel has emptied its buffers (as it does when it hangs up)."""
        self._rest = b""
        self._depth = 0
        self._fill(self._ahead)

    def _put(self, data: bytes) -> bool:
        """Write it all; False when the kernel has no room (or takes it too slowly)."""
        view = memoryview(data)
        for _ in range(_MOST_TRIES):
            try:
                taken = self._kernel.write(self.fd, view)
            except BlockingIOError:
                return False
            except InterruptedError:
                continue
            except OSError as error:
                self._recover(error)
                continue
            if taken >= len(view):
                return True
            view = view[taken:]
        return False

    def close(self) -> None:
        """Release the channel; the kernel puts it on hook, unless it is left to the next program."""
        if not self.leaves:
            self.keep_no_more()
        self._kernel.forget(self.fd)
        try:
            self._kernel.close(self.fd)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
