"""Devices that speak AT behind a real pty, on a virtual clock.

The device runs only while the host waits, and every byte written by one side is
awaited by the other, so that a run is the same every time and takes no real time.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import tty

from board.atport import SerialWire, WireLost

PATIENCE_MS = 2000


class Link:
    """Bytes on their way through one pty."""

    def __init__(self):
        self.host_wrote = self.host_read = 0
        self.device_wrote = self.device_read = 0
        self.gone = False

    def reset(self):
        self.__init__()


class BenchWire(SerialWire):
    """The product's serial port; what the device has written is there when it is read."""

    def __init__(self, path, device):
        self.device = self._device = device
        self._link = device.link
        if self._link.gone:
            raise WireLost(f"{path}: there is no such device: check the cable, and the address")
        super().__init__(device.path)
        # Opening a port throws away what has piled up in it.
        self._link.host_read = self._link.device_wrote
        self.most_taken = None

    def read(self):
        link = self._link
        if not link.gone and link.device_wrote > link.host_read:
            self._poll.poll(PATIENCE_MS)
        data = super().read()
        link.host_read += len(data)
        return data

    def write(self, data):
        most = self._device.takes_bytes
        taken = super().write(data if most is None else data[:most])
        self._link.host_wrote += taken
        return taken

    def close(self):
        # What the kernel still carries would be thrown away when the port is closed: no loss of the pty's.
        self._device.take()
        super().close()


class BenchTime:
    """Virtual seconds; the devices live in the time that passes."""

    def __init__(self, *devices):
        self.now = 100.0
        self.devices = list(devices)
        for device in devices:
            device.time = self

    def now_s(self):
        return self.now

    def wait(self, wires, timeout_s):
        end = self.now + max(0.0, timeout_s)
        for device in self.devices:
            device.run(self.now)
        # What was written to a port that nobody reads wakes nobody.
        awaited = [wire.device for wire in wires]
        while not any(d.unread for d in awaited) and self.now < end:
            due = min((device.next_due() for device in self.devices), default=end)
            self.now = min(end, max(due, self.now))
            for device in self.devices:
                device.run(self.now)
            if due > end:
                break


class PtyDevice:
    """One end of a pty, with things to do at certain times."""

    def __init__(self):
        self.link = Link()
        self.takes_bytes = None
        self._todo = []
        self._order = itertools.count()
        self._out = bytearray()
        self.now = 100.0
        self.plug_in()

    def plug_in(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)
        self.link.reset()
        self._out.clear()

    def unplug(self):
        """The device vanishes: the master is closed."""
        if not self.link.gone:
            self.link.gone = True
            os.close(self.master)
            os.close(self.slave)

    close = unplug

    def at(self, when, what):
        heapq.heappush(self._todo, (when, next(self._order), what))

    def after(self, seconds, what):
        self.at(self.now + seconds, what)

    @property
    def unread(self):
        return not self.link.gone and self.link.device_wrote > self.link.host_read

    def next_due(self):
        return self._todo[0][0] if self._todo else float("inf")

    def take(self):
        """Everything that the host has written is received."""
        while not self.link.gone and self.link.host_wrote > self.link.device_read:
            assert select.select([self.master], [], [], PATIENCE_MS / 1000)[0], "pty lost bytes"
            data = os.read(self.master, 65536)
            self.link.device_read += len(data)
            self.received(data)

    def run(self, now):
        self.now = now
        self.take()
        while self._todo and self._todo[0][0] <= now + 1e-9:
            heapq.heappop(self._todo)[2]()
        self.flush()

    def send(self, data):
        self._out += data
        self.flush()

    def flush(self):
        while self._out and not self.link.gone:
            try:
                sent = os.write(self.master, self._out)
            except BlockingIOError:
                return
            self.link.device_wrote += sent
            del self._out[:sent]

    def received(self, data):
        raise NotImplementedError


class AtDevice(PtyDevice):
    """Answers commands. Faults: `silent` (never answered), `late` (seconds), `answers` (other text)."""

    latency_s = 0.01

    def __init__(self):
        self.echo = True
        self.silent = set()
        self.late = {}
        self.answers = {}
        self.between = {}
        """Text that comes in the middle of the answer to a command."""
        self.asked = []
        self.dead = False
        self._line = bytearray()
        super().__init__()

    def received(self, data):
        for byte in data:
            self.byte(byte)

    def byte(self, byte):
        if byte in (13, 10):
            text, self._line = self._line.decode("latin-1"), bytearray()
            if text and not self.dead:
                self.command_line(text)
        else:
            self._line.append(byte)

    def command_line(self, text):
        self.asked.append(text)
        if self.echo:
            self.send(text.encode("latin-1") + b"\r")
        if text in self.silent:
            return
        delay = self.late.get(text, self.latency_s)
        self.after(delay, lambda: self.reply(text))

    def reply(self, text):
        if self.dead:
            return
        if text in self.answers:
            answer = self.answers[text]
            self.text(*(answer() if callable(answer) else answer))
            return
        lines = self.answer(text)
        if lines is None:
            return
        for number, line in enumerate(lines):
            if number == len(lines) - 1 and text in self.between:
                self.text(*self.between[text])
            self.text(line)

    def text(self, *lines):
        for line in lines:
            self.send(f"\r\n{line}\r\n".encode("latin-1"))

    def answer(self, text):
        raise NotImplementedError
