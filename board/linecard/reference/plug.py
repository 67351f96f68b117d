"""The plugs of the reference card: a pty for control, a UNIX stream socket for the samples.

The socket is what tests/board/linecard/ioplug/pcm_zongji.c speaks: first a line
`capture|playback CHANNELS RATE PERIOD BUFFER`, then interleaved 16-bit frames; on
a capture connection the host says with a byte that it listens (1) or no more (0), on
a playback connection the card answers each piece it has played with its length in
frames (32 bits), all ones when it had nothing to play and has stopped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import select
import socket
import struct
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path

import numpy as np

from board.api import BLOCK_SAMPLES, SAMPLE_RATE_HZ, Samples
from board.linecard.reference.device import Device

STOPPED = 0xFFFFFFFF
_MOST_GREETING = 96


class Stream:
    """One connection of the sound device."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.socket = connection
        self.direction = ""
        self.channels = 0
        self.queue = bytearray()
        self.playing = False
        self.listening = False
        """Capture: the host takes what is sent."""
        self.closed = False
        self._unsent = b""

    def fileno(self) -> int:
        """For select."""
        return self.socket.fileno()

    def receive(self) -> None:
        """Take what has arrived: first the greeting, then samples."""
        while not self.closed:
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            self.closed = not data
            self.queue += data
        if not self.direction and b"\n" in self.queue:
            line, _, rest = bytes(self.queue).partition(b"\n")
            words = line.decode("ascii", "replace").split()
            self.direction, self.channels = words[0].lower(), int(words[1])
            self.queue[:] = rest
        elif not self.direction and len(self.queue) > _MOST_GREETING:
            self.closed = True
        if self.direction == "capture" and self.queue:
            self.listening = bool(self.queue[-1])
            self.queue.clear()

    def send(self, data: bytes) -> None:
        """Send, or drop what the other side has no room for, as a USB device does; whole pieces only."""
        data = self._unsent + data if self._unsent else data
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self.closed = True
            return
        self._unsent = data[sent:]

    def take(self, size: int) -> bytes | None:
        """One piece of `size` bytes to play; None when there is nothing (yet)."""
        if len(self.queue) < size:
            if self.playing:
                self.playing = False
                self.queue.clear()
                self.send(struct.pack("<I", STOPPED))
            return None
        self.playing = True
        piece = bytes(self.queue[:size])
        del self.queue[:size]
        self.send(struct.pack("<I", BLOCK_SAMPLES))
        return piece


class PluggedCard:
    """A `Device` with its plugs in. `step` moves it on by one block; `run` does so at a pace.

    rate_ppm: how much faster than `now_s` its crystal is.
    """

    def __init__(
        self, device: Device, control: Path, sound: Path, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """control: where a link to the pty is made; sound: path of the socket."""
        self.device = device
        self._control, self._sound = control, sound
        self._now_s = now_s
        self.rate_ppm = 0.0
        self.streaming = True
        """False: no samples come and none are played, as if the sound half hung."""
        self.talking = True
        """False: the control half hears and says nothing."""
        self.noise = b""
        """Bytes sent once in the next step, between what the card says."""
        self.mangle: Callable[[bytes], bytes] = bytes
        """What the wire does to what the card says."""
        self._streams: list[Stream] = []
        self._plugged = False
        self._silence = np.zeros((len(device.board.ports), BLOCK_SAMPLES), np.int16)
        self.plug()

    def plug(self) -> None:
        """Put the plugs in; names are the same every time."""
        self._master, slave = pty.openpty()
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        # The card keeps its own end open: a host that closes must not look like a broken card.
        self._slave = slave
        with contextlib.suppress(FileNotFoundError):
            self._control.unlink()
        self._control.symlink_to(os.ttyname(slave))
        with contextlib.suppress(FileNotFoundError):
            self._sound.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._sound))
        self._listener.listen(4)
        self._listener.setblocking(False)
        self._plugged = True

    def unplug(self) -> None:
        """Pull both plugs. Idempotent."""
        if not self._plugged:
            return
        self._plugged = False
        for stream in self._streams:
            stream.socket.close()
        self._streams.clear()
        self._listener.close()
        os.close(self._master)
        os.close(self._slave)
        self._sound.unlink()
        self._control.unlink()

    # ----------------------------------------------------------------- steps
    def serve(self) -> None:
        """Whatever is not paced: connections, the control line."""
        if not self._plugged:
            return
        with contextlib.suppress(BlockingIOError):
            self._streams.append(Stream(self._listener.accept()[0]))
        for stream in self._streams:
            stream.receive()
            if stream.closed:
                stream.socket.close()
        self._streams = [stream for stream in self._streams if not stream.closed]
        try:
            heard = os.read(self._master, 4096)
        except BlockingIOError:
            heard = b""
        if not self.talking:
            self.device.outgoing()
            return
        if heard:
            self.device.feed(heard, self._now_s())
        said, self.noise = self.noise + self.mangle(self.device.outgoing()), b""
        if said:
            # A host that does not read loses what does not fit, as on a real line.
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, said)

    def _watched(self) -> list[int | socket.socket]:
        return [self._master, self._listener] if self._plugged else []

    def step(self) -> None:
        """One block."""
        self.serve()
        played = self._silence
        if self.streaming:
            for stream in self._streams:
                if stream.direction == "playback" and (piece := stream.take(stream.channels * 320)):
                    played = _rows(piece, stream.channels)
        captured = self.device.tick(played, self._now_s())
        if self.streaming:
            data = np.ascontiguousarray(captured.T, "<i2").tobytes()
            for stream in self._streams:
                if stream.direction == "capture":
                    stream.send(data)
        self.serve()

    def run(self, stop: Callable[[], bool]) -> None:
        """A block every 20 ms of this card's own crystal, until `stop` says so."""
        due_s = self._now_s()
        while not stop():
            due_s += BLOCK_SAMPLES / SAMPLE_RATE_HZ / (1 + self.rate_ppm * 1e-6)
            while (left_s := due_s - self._now_s()) > 0:
                # What the host asks is answered at once, not at the next block.
                select.select(self._watched(), [], [], left_s)
                self.serve()
            self.step()

    def close(self) -> None:
        """Pull the plugs and release the sockets behind. Idempotent."""
        self.unplug()
        self.device.board.close()


def _rows(piece: bytes, channels: int) -> Samples:
    """Interleaved frames as [ports, 160]."""
    return np.frombuffer(piece, "<i2").reshape(-1, channels).T.astype(np.int16)
