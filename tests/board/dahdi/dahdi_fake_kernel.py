"""A kernel made up in memory: channels with scripted events, faults and a clock that only we move.

It is written from the interface's description and shares nothing with the back-end but numbers.
"""

import errno
import struct
from collections import deque

import numpy as np

from board.dahdi import ioctls
from board.dahdi.kernel import BROKEN, READABLE, URGENT, Device

LINE, PHONE = 0x2007, 0x1038
"""What the hardware of a socket for a line, or for a telephone, can signal."""


class FakeChannel:
    def __init__(self, number, span, position, can, signalling=0):
        self.number, self.span, self.position = number, span, position
        self.can, self.signalling = can, signalling
        self.times = dict.fromkeys(range(13, 24), 0)
        self.tx_hook = 0
        self.rx_hook = 4
        self.alarms = 0
        self.fd = None
        self.events = deque()
        self.hooks = []
        self.asked = []
        self.incoming = deque()
        self.queue = b""
        self.played = []
        self.faults = {}
        """request, "read" or "write" -> errnos to be given, one each time; [errno, "..."] is for ever."""
        self.unknown = set()
        self.mute = False
        self.short_write = None
        self.stats = None
        self.cadence = None
        self.dialled = []
        self.linear = False
        self.block = 0
        self.buffers = 0
        self.zone = None
        self.partial = 0
        self.value = 0
        self.hear = None
        """hear(at, n): samples int16 [n] from sample number `at` on; without it blocks hold their number."""
        self.tells = False
        self.dry = True

    def say(self, *codes):
        self.events.extend(codes)

    def fault(self, what):
        waiting = self.faults.get(what)
        if waiting:
            code = waiting[0]
            if len(waiting) == 1 or waiting[1] != "...":
                waiting.pop(0)
            raise OSError(code, "made up")


class FakeKernel:
    """`channels`: list of FakeChannel. Time moves in `poll` only."""

    def __init__(self, channels, devices=None):
        self.channels = {channel.number: channel for channel in channels}
        self.files = {}
        self.watched = {}
        self.now = 1000.0
        self._next_fd = 10
        self.zones = set()
        self.started = []
        self.assigned = []
        self.polls = 0
        self._devices = devices if devices is not None else {}
        self.absent = False
        self.span_alarms = {}
        self.script = []
        """(time, function) to be called when poll passes it."""

    # ------------------------------------------------------------ interface
    def open(self, path):
        if self.absent:
            raise FileNotFoundError(errno.ENOENT, path)
        self._next_fd += 1
        self.files[self._next_fd] = path
        return self._next_fd

    def close(self, fd):
        found = self.files.pop(fd)
        if isinstance(found, FakeChannel):
            # A copy keeps the channel open, as long as there is one.
            found.fd = next((other for other, what in self.files.items() if what is found), None)
        self.watched.pop(fd, None)

    def copy(self, fd):
        """As dup(2)."""
        self._next_fd += 1
        self.files[self._next_fd] = self.files[fd]
        return self._next_fd

    def watch(self, fd, mask):
        assert fd in self.files
        self.watched[fd] = mask

    def forget(self, fd):
        self.watched.pop(fd, None)

    def now_s(self):
        return self.now

    def devices(self):
        return self._devices

    def assign_spans(self, device):
        self.assigned.append(device)
        found = self._devices[device]
        found.spans = {channel.span: 1 for channel in self.channels.values()}

    def why_missing(self):
        return "the kernel module dahdi is not loaded"

    def poll(self, timeout_ms):
        """Let time pass until something is ready, in milliseconds."""
        self.polls += 1
        for _ in range(int(timeout_ms) + 1):
            if ready := self._ready():
                return ready
            self.pass_ms()
        return []

    def _ready(self):
        found = []
        for fd, mask in self.watched.items():
            channel = self.files[fd]
            now = 0
            if channel not in self.channels.values():
                now |= BROKEN | URGENT
            if channel.events and mask & URGENT:
                now |= URGENT
            if channel.incoming and mask & READABLE:
                now |= READABLE
            if now:
                found.append((fd, now))
        return found

    def pass_ms(self):
        """One millisecond of the whole world."""
        self.now += 0.001
        while self.script and self.script[0][0] <= self.now:
            self.script.pop(0)[1]()
        for channel in self.channels.values():
            if channel.fd is None or channel.mute:
                continue
            channel.partial += 8
            channel.played.append(channel.queue[:16].ljust(16, b"\0"))
            channel.queue = channel.queue[16:]
            if not channel.queue and not channel.dry:
                channel.dry = True
                if channel.tells:
                    channel.say(30)
            if channel.partial >= channel.block:
                channel.partial -= channel.block
                if len(channel.incoming) < channel.buffers:
                    channel.value += 1
                    sound = np.full(channel.block, channel.value, np.int16)
                    if channel.hear is not None:
                        sound = channel.hear((channel.value - 1) * channel.block, channel.block)
                    channel.incoming.append(sound.tobytes())

    def remove(self, span):
        """Pull out the card of a span."""
        for number in [number for number, channel in self.channels.items() if channel.span == span]:
            del self.channels[number]

    # -------------------------------------------------------------- channels
    def _channel(self, fd):
        found = self.files[fd]
        assert isinstance(found, FakeChannel), "SPECIFY comes first"
        if found not in self.channels.values():
            raise OSError(errno.ENODEV, "gone")
        return found

    def read(self, fd, size):
        channel = self._channel(fd)
        channel.fault("read")
        if channel.events:
            raise OSError(500, "ELAST")
        if not channel.incoming:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return channel.incoming.popleft()[:size]

    def write(self, fd, data):
        channel = self._channel(fd)
        channel.fault("write")
        if channel.events:
            raise OSError(500, "ELAST")
        room = channel.buffers * channel.block * 2 - len(channel.queue)
        if room < channel.block * 2:
            raise BlockingIOError(errno.EAGAIN, "full")
        data = bytes(data)
        if channel.short_write:
            data = data[: channel.short_write.pop(0)]
        channel.queue += data
        channel.dry = False
        return len(data)

    def ioctl(self, fd, request, data):
        assert len(data) == request >> 16 & 0x3FFF or request == ioctls.SPECIFY, "wrong size of structure"
        found = self.files[fd]
        if found == "/dev/dahdi/ctl":
            self._control(request, data)
        elif isinstance(found, str):
            assert request == ioctls.SPECIFY
            self._specify(fd, struct.unpack("<i", data)[0])
        else:
            self._channel_ioctl(self._channel(fd), request, data)

    def _control(self, request, data):
        if request == ioctls.SPANSTAT:
            (span,) = struct.unpack_from("<i", data)
            own = [channel for channel in self.channels.values() if channel.span == span]
            if not own:
                raise OSError(errno.EINVAL, "no such span")
            struct.pack_into("<i20s40s", data, 0, span, b"WCTDM/4/0", b"Made-up card")
            struct.pack_into("<i", data, 64, self.span_alarms.get(span, 0))
            struct.pack_into("<i", data, 124, len(own))
            struct.pack_into("<40s", data, 180, b"PCI Bus 01")
        elif request == ioctls.GET_PARAMS:
            channel = self.channels.get(struct.unpack_from("<i", data)[0])
            if channel is None:
                raise OSError(errno.EINVAL, "no such channel")
            self._params(channel, data)
        elif request == ioctls.CHANCONFIG:
            number, _, signalling, law, master = struct.unpack_from("<i40s3i", data)
            assert master == number and law == 0
            channel = self.channels[number]
            channel.fault(request)
            if channel.can & signalling != signalling:
                raise OSError(errno.EINVAL, "cannot signal so")
            channel.signalling = signalling
        elif request == ioctls.LOADZONE:
            count, zone = struct.unpack_from("<2i", data)
            assert count == 0
            if zone in self.zones:
                raise OSError(errno.EINVAL, "there already")
            self.zones.add(zone)
        elif request == ioctls.STARTUP:
            self.started.append(struct.unpack("<i", data)[0])
        else:
            raise OSError(errno.ENOTTY, "unknown")

    def _params(self, channel, data):
        values = [channel.number, channel.span, channel.position, channel.signalling, channel.can]
        values += [0, 0, 0, channel.tx_hook, channel.rx_hook, 1, 0]
        times = [channel.times[index] for index in range(13, 24)]
        struct.pack_into("<12i40s11iI", data, 0, *values, b"made up", *times, channel.alarms)

    def _specify(self, fd, number):
        channel = self.channels.get(number)
        if channel is None:
            raise OSError(errno.EINVAL, "no such channel")
        channel.fault(ioctls.SPECIFY)
        if not channel.signalling:
            raise OSError(errno.ENXIO, "not configured")
        if channel.fd is not None:
            raise OSError(errno.EBUSY, "in use")
        channel.fd = fd
        self.files[fd] = channel

    def _channel_ioctl(self, channel, request, data):
        if request in channel.unknown:
            raise OSError(errno.ENOTTY, "unknown")
        channel.fault(request)
        value = struct.unpack_from("<i", data)[0]
        if request == ioctls.GETEVENT:
            struct.pack_into("<i", data, 0, channel.events.popleft() if channel.events else 0)
        elif request == ioctls.HOOK:
            channel.hooks.append(value)
            channel.tx_hook = {0: 0, 1: 1, 6: 0}.get(value, channel.tx_hook)
            if value in (3, 5):
                raise OSError(errno.EINPROGRESS, "under way")
        elif request == ioctls.GET_PARAMS:
            self._params(channel, data)
        elif request == ioctls.SET_PARAMS:
            channel.times.update(zip(range(13, 24), struct.unpack_from("<11i", data, 88), strict=True))
        elif request == ioctls.SET_BUFINFO:
            _, _, channel.buffers, channel.block = struct.unpack_from("<4i", data)
        elif request == ioctls.BUFFER_EVENTS:
            channel.tells = bool(value)
        elif request == ioctls.SETLINEAR:
            channel.linear = bool(value)
        elif request == ioctls.SETTONEZONE:
            if value not in self.zones:
                raise OSError(errno.ENODATA, "no such zone")
            channel.zone = value
        elif request == ioctls.FLUSH:
            if value & 1:
                channel.incoming.clear()
                channel.partial = 0
            if value & 2:
                channel.queue = b""
            if value & 4:
                channel.events.clear()
        elif request == ioctls.SETCADENCE:
            channel.cadence = struct.unpack("<16i", data)
        elif request == ioctls.DIAL:
            channel.dialled.append(data[4:].split(b"\0")[0].decode())
        elif request == ioctls.WCTDM_GET_STATS:
            if channel.stats is None:
                raise OSError(errno.ENOTTY, "unknown")
            struct.pack_into("<3i", data, 0, *channel.stats)
        else:
            channel.asked.append((request, value))


def card(lines=2, phones=2, span=1):
    """A kernel with one mixed card."""
    kinds = [LINE] * lines + [PHONE] * phones
    channels = [FakeChannel(i + 1, span, i + 1, can) for i, can in enumerate(kinds)]
    device = Device("pci:0000:02:04.0", "", "PCI Bus 01", {span: 1}, 1)
    return FakeKernel(channels, {device.name: device})
