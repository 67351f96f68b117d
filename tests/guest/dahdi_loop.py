"""In the guest: our back-end on one end of two looped spans, an exchange and a telephone on the other.

Row 0 of our card is a line; the exchange is channel 3 (it signals as an exchange does).
Row 1 is a telephone socket; the telephone is channel 4. The other end is driven by
plain requests: it shares nothing with the back-end but their numbers.
"""

import errno
import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from board.api import PortKind
from board.dahdi import DahdiBoard, DahdiSettings, ioctls
from board.dahdi.kernel import LinuxKernel
from board.dahdi.spans import ZONE, Control
from tests.guest.modules import modprobe

LINE, PHONE = 0, 1
EXCHANGE, TELEPHONE = 3, 4
ROWS = 2


@contextmanager
def looped_spans():
    """Span 1 (ours: line, telephone socket) and span 2 (exchange, telephone), wire to wire."""
    modprobe("dahdi", "auto_assign_spans=1")
    modprobe("dahdi_dynamic_loc")
    control = os.open("/dev/dahdi/ctl", os.O_RDWR)
    addresses = ("1:0", "1:1")
    try:
        for address in addresses:
            create(control, address)
        wire({1: PortKind.FXO, 2: PortKind.FXS, EXCHANGE: PortKind.FXS, TELEPHONE: PortKind.FXO})
        yield control
    finally:
        for address in addresses:
            destroy(control, address)
        os.close(control)


def create(control, address):
    """A span appears, as plugging its card in would make it."""
    fcntl.ioctl(control, ioctls.DYNAMIC_CREATE, ioctls.dynamic_span("loc", address, ROWS), True)


def wire(kinds):
    """Make channels lines or telephone sockets: a looped channel can be either, a card's is what it is."""
    with Control(LinuxKernel()) as setup:
        for channel in setup.channels():
            if channel.number in kinds:
                kind = kinds[channel.number]
                signalling = ioctls.SIG_FXSKS if kind is PortKind.FXO else ioctls.SIG_FXOKS
                setup.configure(replace(channel, kind=kind, signalling=signalling, configured=False))
        setup.load_zone()


def destroy(control, address):
    """Take a span away whose channels nobody has open any more; one that is away already is fine."""
    # To take away a span that is just being taken away upsets the kernel for good.
    for one in _pulling:
        one.wait()
    try:
        fcntl.ioctl(control, ioctls.DYNAMIC_DESTROY, ioctls.dynamic_span("loc", address, ROWS), True)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


class Far:
    """One channel of the other end."""

    def __init__(self, number):
        self.fd = os.open("/dev/dahdi/channel", os.O_RDWR | os.O_NONBLOCK)
        self.ask(ioctls.SPECIFY, number)
        self.ask(ioctls.SETLAW, 0)
        self.ask(ioctls.SETLINEAR, 1)
        self.ask(ioctls.SETTONEZONE, ZONE)
        fcntl.ioctl(self.fd, ioctls.SET_BUFINFO, struct.pack("<6i", 0, 0, 8, 160, 0, 0))
        self.events = []
        self.heard = []
        self.to_say = b""
        self.quiet = False
        for _ in range(2):
            os.write(self.fd, bytes(320))

    def ask(self, request, value):
        data = bytearray(struct.pack("<i", value))
        fcntl.ioctl(self.fd, request, data, True)
        return struct.unpack("<i", data)[0]

    def hook(self, value):
        """A hook state; flash, wink and ring answer that they are under way."""
        try:
            self.ask(ioctls.HOOK, value)
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise

    def times(self, **changes):
        data = bytearray(136)
        fcntl.ioctl(self.fd, ioctls.GET_PARAMS, data, True)
        params = ioctls.Params.unpack(data)
        for name, value in changes.items():
            setattr(params, name, value)
        fcntl.ioctl(self.fd, ioctls.SET_PARAMS, params.pack(), True)

    def dial(self, digits):
        """Keys by the kernel's generator, T… for tones (needs a zone with tones) or P… for pulses."""
        self.quiet = True
        fcntl.ioctl(self.fd, ioctls.DIAL, struct.pack("<i256s", 2, digits.encode()), False)

    def say(self, samples):
        self.to_say += np.asarray(samples, np.int16).tobytes()

    def settle(self, blocks=2):
        """Play with so many blocks of reserve again (at most 7): late ticks use them up."""
        self.ask(ioctls.FLUSH, ioctls.FLUSH_WRITE)
        for _ in range(blocks):
            self._write(bytes(320))

    def tick(self):
        """Serve the channel once; 20 ms of sound each way."""
        self._fetch()
        while True:
            try:
                data = os.read(self.fd, 320)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != ioctls.ELAST:
                    raise
                self._fetch()
                continue
            self.heard.append(np.frombuffer(data, np.int16))
            if not self.quiet:
                block, self.to_say = self.to_say[:320], self.to_say[320:]
                self._write(block.ljust(320, b"\0"))

    def _write(self, block):
        try:
            os.write(self.fd, block)
        except OSError as error:
            if error.errno not in (ioctls.ELAST, errno.EAGAIN):
                raise
            self._fetch()

    def _fetch(self):
        while code := self.ask(ioctls.GETEVENT, 0):
            self.events.append(code)
            if code == ioctls.EVENT_DIALCOMPLETE:
                self.quiet = False

    def close(self):
        os.close(self.fd)


class Loop:
    """Our card and the other end, ticking together. `seen`: (tick, event) of our card."""

    def __init__(self, control, address="1", **settings):
        self.control = control
        self.board = DahdiBoard(address, DahdiSettings(**settings))
        self.exchange, self.telephone = Far(EXCHANGE), Far(TELEPHONE)
        self.far = [self.exchange, self.telephone]
        self.seen = []
        self.heard = []
        self.to_say = [np.zeros(0, np.int16), np.zeros(0, np.int16)]
        self.lost = 0
        self.clock = 0
        self.settle()

    def settle(self):
        """Let the beginning pass."""
        # Hook states settle: until 1.25 s have passed the kernel takes lifting for a flash.
        self.run(1.5)
        self.seen.clear()

    def tick(self):
        """20 ms."""
        tick = self.board.read()
        self.clock = tick.clock + 160
        self.lost += tick.lost
        self.seen += tick.events
        self.heard.append(tick.audio)
        out = np.zeros((ROWS, 160), np.int16)
        for row, samples in enumerate(self.to_say):
            out[row, : len(samples[:160])] = samples[:160]
            self.to_say[row] = samples[160:]
        self.board.write(out)
        for far in self.far:
            far.tick()

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            self.tick()

    def until(self, what, within_s=5.0):
        """Seconds until `what()` holds."""
        for number in range(round(within_s * 50)):
            if what():
                return number / 50
            self.tick()
        raise AssertionError(
            f"did not happen within {within_s} s; card: {self.seen}; "
            f"exchange: {self.exchange.events}; telephone: {self.telephone.events}"
        )

    def of(self, kind, port=None):
        """Events of our card of a kind."""
        return [event for event in self.seen if type(event) is kind and port in (None, event.port)]

    def wait_for(self, kind, port, within_s=5.0, count=1):
        """The `count`-th event of a kind at a port."""
        self.until(lambda: len(self.of(kind, port)) >= count, within_s)
        return self.of(kind, port)[count - 1]

    def sound(self, row, start=0):
        """What our card has heard from a tick on."""
        return np.concatenate([audio[row] for audio in self.heard[start:]])

    def reopen(self, address):
        """The box opens a card that has come back; nothing is known of its past."""
        self.board.close()
        self.board = DahdiBoard(address)
        self.seen.clear()
        self.settle()

    def close(self):
        self.board.close()
        for far in self.far:
            far.close()


@contextmanager
def loop(**settings):
    """A fresh pair of spans with everything on it."""
    with looped_spans() as control:
        one = Loop(control, **settings)
        try:
            yield one
        finally:
            one.close()


def sine(freq_hz, seconds, peak=8000.0):
    return np.rint(peak * np.sin(2 * np.pi * freq_hz * np.arange(round(8000 * seconds)) / 8000)).astype(
        np.int16
    )


def peak_at(samples, freq_hz):
    """Peak of a sine of this frequency in the samples."""
    wave = np.exp(-2j * np.pi * freq_hz * np.arange(len(samples)) / 8000)
    return 2 * abs(np.dot(samples.astype(float), wave)) / len(samples)


def delay_ms(sent, heard):
    """How much later `sent` is in `heard`: both must begin at the same moment."""
    size = 1 << (len(sent) + len(heard)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    return float(np.argmax(cross[: len(heard)])) / 8.0


_pulling = []


def device_folder(hardware_id):
    """Where sysfs shows the card with this serial number."""
    (found,) = [
        folder
        for folder in Path("/sys/bus/dahdi_devices/devices").iterdir()
        if (folder / "hardware_id").read_text().strip() == hardware_id
    ]
    return found


def unassign(hardware_id):
    """What a pulled card does to its channels; takes a second, so another process does it."""
    path = device_folder(hardware_id) / "unassign_span"
    _pulling.append(subprocess.Popen(["/bin/sh", "-c", f"echo 1 > {path}"]))
    return _pulling[-1]
