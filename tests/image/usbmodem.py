"""A USB voice modem: an emulated one behind QEMU's `usb-redir`, which the box's own kernel drives.

QEMU asks over usbredir (protocol 0.7, little-endian) what it would ask of a device in another machine:

    header <IIQ (the first hello: <III): type, length, id      hello, interface_info, ep_info, device_connect
    control <BBBBHHH   bulk <BBHIH (status, length, stream, high length)

The device is a CDC-ACM modem with the numbers of a USR5637; what it says is `tests/board/modem`'s emulator.
"""

import contextlib
import heapq
import selectors
import socket
import struct
import sys
import threading
import time
from collections import deque
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "board"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "board" / "modem"))
from modem_emulator import USR, Modem

HELLO, CONNECT, RESET, INTERFACES, ENDPOINTS = 0, 1, 3, 4, 5
SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION, SET_ALT, GET_ALT, ALT = 6, 7, 8, 9, 10, 11
START_INTERRUPT, STOP_INTERRUPT, INTERRUPT, CANCEL = 15, 16, 17, 21
CONTROL, BULK = 100, 101
CAPABILITIES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6
"""connect_device_version, ep_info_max_packet_size, 64bits_ids, 32bits_bulk_length"""
OK, CANCELLED, STALL = 0, 1, 4
HIGH_SPEED = 2
VENDOR, PRODUCT = 0x0BAF, 0x0303
BULK_IN, BULK_OUT, NOTIFY = 0x81, 0x01, 0x82
TYPE_BULK, TYPE_INTERRUPT, TYPE_CONTROL, TYPE_NONE = 2, 3, 0, 255
STRINGS = ("U.S.Robotics", "USR5637 of the tests", "0001")

DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 2, 0, 0, 64, VENDOR, PRODUCT, 0x100, 1, 2, 3, 1)
CONFIG_BODY = b"".join(
    (
        struct.pack("<9B", 9, 4, 0, 0, 1, 2, 2, 1, 0),  # communications, abstract control model
        bytes((5, 0x24, 0, 0x10, 1)),
        bytes((5, 0x24, 1, 0, 1)),
        bytes((4, 0x24, 2, 2)),
        bytes((5, 0x24, 6, 0, 1)),
        struct.pack("<BBBBHB", 7, 5, NOTIFY, 3, 16, 9),
        struct.pack("<9B", 9, 4, 1, 0, 2, 10, 0, 0, 0),  # data
        struct.pack("<BBBBHB", 7, 5, BULK_IN, 2, 512, 0),
        struct.pack("<BBBBHB", 7, 5, BULK_OUT, 2, 512, 0),
    )
)
CONFIG = struct.pack("<BBHBBBBB", 9, 2, 9 + len(CONFIG_BODY), 2, 1, 0, 0x80, 50) + CONFIG_BODY


class UsbModem(Modem):
    """The emulated modem; its bytes go to whoever reads its bulk endpoint."""

    def plug_in(self):
        self.ready = bytearray()

    def unplug(self):
        self.ready.clear()

    def flush(self):
        self.ready += self._out
        self._out.clear()

    def run(self, now):
        while self._todo and self._todo[0][0] <= now:
            # As if it were done when it was due: what is late makes nothing after it late.
            self.now, _, what = heapq.heappop(self._todo)
            what()
        self.now = now


class UsbPlug(threading.Thread):
    """The device's end of usbredir connections, one after the other, on a thread.

    Its modem is touched by others only `with plug.lock:`.
    """

    def __init__(self, path: Path):
        """Listen on a Unix socket that QEMU connects to."""
        super().__init__(name="usb modem", daemon=True)
        self.lock = threading.Lock()
        self.modem = UsbModem(USR, ends=(b"!", b"\x03"))
        self.problem: BaseException | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._end = threading.Event()
        self._line: socket.socket | None = None
        self.start()

    def close(self):
        self._end.set()
        self.join()
        self._listener.close()
        if self.problem is not None:
            raise self.problem

    # ------------------------------------------------------------------ thread
    def run(self):
        try:
            while not self._end.is_set():
                self._listener.settimeout(0.2)
                try:
                    line, _ = self._listener.accept()
                except TimeoutError:
                    continue
                with line, contextlib.suppress(ConnectionError):  # that is how being pulled out looks
                    self._serve(line)
        except BaseException as error:  # shown by close()
            self.problem = error

    def _serve(self, line):
        self._line, self._rest = line, bytearray()
        self._wide = False
        self._reads: deque[tuple[int, int]] = deque()
        self._configured = 0
        with self.lock:
            self.modem.__init__(USR, ends=(b"!", b"\x03"))  # as it is when it gets power
        self._send(HELLO, b"zongji tests".ljust(64, b"\0") + struct.pack("<I", CAPABILITIES))
        chooser = selectors.DefaultSelector()
        chooser.register(line, selectors.EVENT_READ)
        while not self._end.is_set():
            if chooser.select(0.005):
                data = line.recv(65536)
                if not data:
                    return
                self._rest += data
            with self.lock:
                while self._take_one():
                    pass
                self.modem.run(time.monotonic())
                self._answer_reads()

    def _send(self, kind, body, number=0):
        head = struct.pack("<IIQ" if self._wide else "<III", kind, len(body), number)
        self._line.sendall(head + body)

    def _take_one(self):
        size = 16 if self._wide else 12
        if len(self._rest) < size:
            return False
        kind, length, number = struct.unpack_from("<IIQ" if self._wide else "<III", self._rest)
        if len(self._rest) < size + length:
            return False
        body = bytes(self._rest[size : size + length])
        del self._rest[: size + length]
        self._take(kind, number, body)
        return True

    def _take(self, kind, number, body):
        if kind == HELLO:
            self._wide = True  # both sides can
            self._tell_interfaces()
            connect = struct.pack("<BBBBHHH", HIGH_SPEED, 2, 0, 0, VENDOR, PRODUCT, 0x100)
            self._send(CONNECT, connect)
        elif kind == SET_CONFIGURATION:
            self._configured = body[0]
            self._tell_interfaces()
            self._send(CONFIGURATION, bytes((OK, self._configured)), number)
        elif kind == GET_CONFIGURATION:
            self._send(CONFIGURATION, bytes((OK, self._configured)), number)
        elif kind == SET_ALT:
            self._send(ALT, bytes((OK, *body)), number)
        elif kind == GET_ALT:
            self._send(ALT, bytes((OK, body[0], 0)), number)
        elif kind in (START_INTERRUPT, STOP_INTERRUPT):
            self._send(INTERRUPT, bytes((OK, body[0])), number)
        elif kind == CANCEL:
            self._cancel(number)
        elif kind == CONTROL:
            self._control(number, body)
        elif kind == BULK:
            self._bulk(number, body)
        elif kind == RESET:
            self._reads.clear()

    def _tell_interfaces(self):
        def table(form, values, rest=0):
            return struct.pack(f"<32{form}", *values, *(rest,) * (32 - len(values)))

        self._send(
            INTERFACES,
            struct.pack("<I", 2)
            + table("B", (0, 1))
            + table("B", (2, 10))
            + table("B", (2, 0))
            + table("B", (1, 0)),
        )
        kinds, interval, interface, most = [TYPE_NONE] * 32, [0] * 32, [0] * 32, [0] * 32
        kinds[0] = kinds[16] = TYPE_CONTROL
        most[0] = most[16] = 64
        for address, kind, belongs, size in (
            (BULK_IN, TYPE_BULK, 1, 512),
            (BULK_OUT, TYPE_BULK, 1, 512),
            (NOTIFY, TYPE_INTERRUPT, 0, 16),
        ):
            place = (address & 0x80) >> 3 | address & 0x0F
            kinds[place], interface[place], most[place] = kind, belongs, size
        interval[18] = 9
        self._send(
            ENDPOINTS, table("B", kinds) + table("B", interval) + table("B", interface) + table("H", most)
        )

    def _control(self, number, body):
        endpoint, request, kind, _, value, index, length = struct.unpack_from("<BBBBHHH", body)
        answer, status = b"", OK
        if kind == 0x80 and request == 6:
            found = self._descriptor(value >> 8, value & 0xFF)
            answer, status = (found[:length], OK) if found is not None else (b"", STALL)
        elif kind == 0x80 and request == 0:
            answer = b"\0\0"[:length]
        elif kind == 0xA1 and request == 0x21:
            answer = struct.pack("<IBBB", 115200, 0, 0, 8)[:length]
        size = len(answer) if kind & 0x80 else length
        head = struct.pack("<BBBBHHH", endpoint, request, kind, status, value, index, size)
        self._send(CONTROL, head + answer, number)

    def _descriptor(self, kind, place):
        if kind == 1:
            return DEVICE
        if kind == 2:
            return CONFIG
        if kind == 3:
            text = b"\x09\x04" if place == 0 else STRINGS[place - 1].encode("utf-16-le")
            return bytes((2 + len(text), 3)) + text
        return None

    # ---------------------------------------------------------------- bulk
    def _bulk(self, number, body):
        endpoint, _, low, _, high = struct.unpack_from("<BBHIH", body)
        if endpoint == BULK_OUT:
            self.modem.now = time.monotonic()
            self.modem.received(body[10:])
            self._send(BULK, struct.pack("<BBHIH", endpoint, OK, low, 0, high), number)
        else:
            self._reads.append((number, high << 16 | low))

    def _answer_reads(self):
        while self._reads and self.modem.ready:
            number, most = self._reads.popleft()
            data = bytes(self.modem.ready[: min(most, 512)])
            del self.modem.ready[: len(data)]
            head = struct.pack("<BBHIH", BULK_IN, OK, len(data), 0, 0)
            self._send(BULK, head + data, number)

    def _cancel(self, number):
        if any(one == number for one, _ in self._reads):
            self._reads = deque(read for read in self._reads if read[0] != number)
            self._send(BULK, struct.pack("<BBHIH", BULK_IN, CANCELLED, 0, 0, 0), number)
