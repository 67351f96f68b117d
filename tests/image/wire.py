"""A neighbour on the box's network cable, made of bare frames: asks, knocks, sees all that the box sends.

QEMU's network filters put frames into the box's socket and copy what comes out of it (each frame has its
length before it, big-endian). The neighbour answers ARP and neighbour discovery for its own addresses.
"""

import contextlib
import ipaddress
import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from tests.image.vm import Vm

MAC = bytes.fromhex("02005a4a0077")
BROADCAST = b"\xff" * 6
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
TCP, UDP, ICMPV6 = 6, 17, 58
SYN, RST = 0x02, 0x04
KNOCKS = 200
MDNS = "224.0.0.251"

Found = TypeVar("Found")


def _sum(data: bytes) -> int:
    """The internet's checksum."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Neighbour:
    """Somebody else on the cable. Use as a context manager."""

    def __init__(self, vm: Vm, *addresses: str):
        """addresses: of IPv4 or IPv6, all its own."""
        self.frames: list[bytes] = []
        self._own = {ipaddress.ip_address(one).packed for one in addresses}
        self._vm, self._folder = vm, tempfile.TemporaryDirectory(prefix="wire-")
        self._mark = os.urandom(3).hex()
        self._macs: dict[bytes, bytes] = {}
        self._seen = threading.Condition()
        self._in, self._out = self._chardev("in"), self._chardev("out")
        for kind, queue, way in (("filter-mirror", "rx", "outdev"), ("filter-redirector", "tx", "indev")):
            name = "out" if way == "outdev" else "in"
            where = {way: self._name(name)}
            vm.qmp.command(
                "object-add", qom_type=kind, id=f"f-{self._name(name)}", netdev="net0", queue=queue, **where
            )
        threading.Thread(target=self._watch, name="wire", daemon=True).start()

    def _name(self, way: str) -> str:
        return f"wire{self._mark}{way}"

    def _chardev(self, way: str) -> socket.socket:
        path = f"{self._folder.name}/{way}"
        address = {"type": "unix", "data": {"path": path}}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
        self._vm.qmp.command("chardev-add", id=self._name(way), backend=backend)
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.connect(path)
        return line

    def __enter__(self) -> "Neighbour":
        return self

    def __exit__(self, *raised: object) -> None:
        with contextlib.suppress(OSError):  # the machine may have gone
            self._out.shutdown(socket.SHUT_RDWR)
        self._in.close()
        self._out.close()
        self._folder.cleanup()

    # --- frames -------------------------------------------------------------------------
    def _watch(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := self._out.recv(65536):
                rest += data
                while len(rest) >= 4 and len(rest) >= 4 + (size := struct.unpack("!I", rest[:4])[0]):
                    self._take(rest[4 : 4 + size])
                    rest = rest[4 + size :]

    def _take(self, frame: bytes) -> None:
        kind = struct.unpack("!H", frame[12:14])[0]
        if kind == ARP and frame[38:42] in self._own and frame[20:22] == b"\0\1":
            self._arp(2, frame[38:42], frame[6:12], frame[28:32])
        elif kind == IPV6 and frame[20] == ICMPV6 and frame[54] == 135 and frame[62:78] in self._own:
            answer = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + frame[62:78] + b"\2\1" + MAC
            self._ipv6(frame[6:12], frame[62:78], frame[22:38], ICMPV6, answer)
        with self._seen:
            self.frames.append(frame)
            self._seen.notify_all()

    def send(self, to: bytes, kind: int, body: bytes) -> None:
        """Put a frame on the cable."""
        frame = (to + MAC + struct.pack("!H", kind) + body).ljust(60, b"\0")
        self._in.sendall(struct.pack("!I", len(frame)) + frame)

    def wait(
        self,
        what: Callable[[bytes], Found],
        again: Callable[[], None],
        since: int = 0,
        patience_s: float = 120.0,
    ) -> Found:
        """The first truth that `what` finds in frame `since` or a later one; `again` is done in silence."""
        until = time.monotonic() + patience_s
        while True:
            with self._seen:
                there = len(self.frames)
                if there == since:
                    self._seen.wait(3.0)
                    there = len(self.frames)
            for frame in self.frames[since:there]:
                if found := what(frame):
                    return found
            assert time.monotonic() < until, f"not on the cable in {there} frames"
            if there == since:
                again()
            since = there

    def _arp(self, verb: int, own: bytes, to: bytes, whom: bytes) -> None:
        body = struct.pack("!HHBBH", 1, IPV4, 6, 4, verb) + MAC + own + to + whom
        self.send(BROADCAST if verb == 1 else to, ARP, body)

    def _ipv4(self, mac: bytes, source: bytes, to: bytes, kind: int, body: bytes) -> None:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 255, kind, 0) + source + to
        self.send(mac, IPV4, head[:10] + struct.pack("!H", _sum(head)) + head[12:] + body)

    def _ipv6(self, mac: bytes, source: bytes, to: bytes, kind: int, body: bytes) -> None:
        place = {TCP: 16, UDP: 6, ICMPV6: 2}[kind]
        pseudo = source + to + struct.pack("!II", len(body), kind)
        body = body[:place] + struct.pack("!H", _sum(pseudo + body)) + body[place + 2 :]
        head = struct.pack("!IHBB", 6 << 28, len(body), kind, 255)
        self.send(mac, IPV6, head + source + to + body)

    def _ip(self, source: str, to: str, kind: int, body: bytes) -> None:
        """A packet to the box; the transport's checksum is filled in."""
        own, its = ipaddress.ip_address(source).packed, ipaddress.ip_address(to).packed
        mac = self._mac_of(to)
        if len(its) == 16:
            self._ipv6(mac, own, its, kind, body)
            return
        place = {TCP: 16, UDP: 6}[kind]
        pseudo = own + its + struct.pack("!HH", kind, len(body))
        body = body[:place] + struct.pack("!H", _sum(pseudo + body)) + body[place + 2 :]
        self._ipv4(mac, own, its, kind, body)

    # --- questions ----------------------------------------------------------------------
    def _mac_of(self, to: str) -> bytes:
        its = ipaddress.ip_address(to).packed
        if its not in self._macs:
            own_any = next(one for one in self._own if len(one) == len(its))
            if len(its) == 4:

                def ask() -> None:
                    self._arp(1, own_any, bytes(6), its)

                def found(frame: bytes) -> bytes:
                    return frame[22:28] if frame[12:14] == b"\x08\x06" and frame[28:32] == its else b""

            else:
                group = bytes.fromhex("ff0200000000000000000001ff") + its[13:]
                body = struct.pack("!BBHI", 135, 0, 0, 0) + its + b"\1\1" + MAC

                def ask() -> None:
                    self._ipv6(b"\x33\x33\xff" + its[13:], own_any, group, ICMPV6, body)

                def found(frame: bytes) -> bytes:
                    told = frame[12:14] == b"\x86\xdd" and frame[54:55] == b"\x88" and frame[62:78] == its
                    return frame[6:12] if told else b""

            ask()
            self._macs[its] = self.wait(found, ask)
        return self._macs[its]

    def knock(self, source: str, to: str, ports: Iterable[int], open_port: int) -> set[int]:
        """TCP ports of the box that answer at all, with a handshake or a refusal.

        After some knocks `open_port`, which does answer, is knocked at: when it has, so have all before it.
        """
        answered: set[int] = set()
        wanted = list(ports)
        for number, at in enumerate(range(0, len(wanted), KNOCKS)):
            since = len(self.frames)
            for port in wanted[at : at + KNOCKS]:
                self._syn(source, to, 40000, port)
            answered |= self._answers(source, to, 40001 + number, open_port, since)
        return answered

    def silent(self, source: str, to: str, port: int, speaking: str) -> bool:
        """Whether a port answers nothing to `source`, though it answers to `speaking`, who knocks later."""
        since = len(self.frames)
        self._syn(source, to, 40000, port)
        self._answers(speaking, to, 40001, port, since)
        return not any(self._answer(frame, source, to) for frame in self.frames[since:])

    def _syn(self, source: str, to: str, own_port: int, port: int) -> None:
        self._ip(source, to, TCP, struct.pack("!HHIIBBHHH", own_port, port, 7, 0, 0x50, SYN, 1024, 0, 0))

    def _answers(self, source: str, to: str, own_port: int, open_port: int, since: int) -> set[int]:
        """Knock at an open port; all that answered until it did."""
        answered: set[int] = set()

        def look(frame: bytes) -> bool:
            found = self._answer(frame, source, to)
            if found is None:
                return False
            port, mine, sequence = found
            answered.add(port)
            # Half a connection is of no use to either side.
            reset = struct.pack("!HHIIBBHHH", mine, port, sequence, 0, 0x50, RST, 0, 0, 0)
            self._ip(source, to, TCP, reset)
            return mine == own_port

        def again() -> None:
            self._syn(source, to, own_port, open_port)

        again()
        self.wait(look, again, since)
        return answered

    @staticmethod
    def _answer(frame: bytes, source: str, to: str) -> tuple[int, int, int] | None:
        """(port of the box, own port, the number that it acknowledges) of an answer to a knock."""
        own, its = ipaddress.ip_address(source).packed, ipaddress.ip_address(to).packed
        body, size = frame[14:], 20 if len(its) == 4 else 40
        if frame[12:14] != (b"\x08\x00" if size == 20 else b"\x86\xdd"):
            return None
        ends = (body[12:16], body[16:20], body[9]) if size == 20 else (body[8:24], body[24:40], body[6])
        if ends != (its, own, TCP):
            return None
        port, mine, _, acknowledged = struct.unpack("!HHII", body[size : size + 12])
        return port, mine, acknowledged

    def mdns(self, source: str, name: str) -> set[str]:
        """The addresses that the box gives for a name ending in .local, asked of everybody on the cable."""
        labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"
        question = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + labels + struct.pack("!HH", 1, 1)
        body = struct.pack("!HHHH", 5353, 5353, 8 + len(question), 0) + question
        own, group = ipaddress.ip_address(source).packed, ipaddress.ip_address(MDNS).packed
        since = len(self.frames)
        pseudo = own + group + struct.pack("!HH", UDP, len(body))
        body = body[:6] + struct.pack("!H", _sum(pseudo + body)) + body[8:]

        def ask() -> None:
            self._ipv4(bytes.fromhex("01005e0000fb"), own, group, UDP, body)

        def answer(frame: bytes) -> set[str]:
            if frame[12:14] != b"\x08\x00" or frame[23] != UDP or frame[34:36] != struct.pack("!H", 5353):
                return set()
            text = frame[42:]
            if not text[2] & 0x80 or labels not in text:
                return set()
            found, at = set(), text.find(labels)
            while at >= 0:
                head = text[at + len(labels) : at + len(labels) + 10]
                if head[:2] == b"\0\1" and head[8:10] == b"\0\4":
                    place = at + len(labels) + 10
                    found.add(str(ipaddress.ip_address(text[place : place + 4])))
                at = text.find(labels, at + 1)
            return found

        ask()
        return self.wait(answer, ask, since)
