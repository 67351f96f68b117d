"""The text console: what a technician with a terminal sees on the control port."""

from __future__ import annotations

from collections.abc import Callable, Mapping

MOST_LINE_BYTES = 80


class Console:
    """Reads lines while no host talks to the card. `commands`: word → text of the answer."""

    def __init__(self, commands: Mapping[str, Callable[[], str]]) -> None:
        self._commands = commands
        self._line = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Keys that were typed; returns what to show. A zero byte ends everything typed so far."""
        out = bytearray()
        for byte in data:
            if byte == 0:
                self._line.clear()
            elif byte in b"\r\n":
                typed = all(0x20 <= one < 0x7F for one in self._line)
                line = self._line.decode("ascii", "replace").strip()
                self._line.clear()
                # What no keyboard types is a frame of a host that is about to say HELLO.
                if line and typed:
                    out += self._answer(line).replace("\n", "\r\n").encode() + b"\r\n"
            elif len(self._line) < MOST_LINE_BYTES:
                self._line.append(byte)
        return bytes(out)

    def _answer(self, line: str) -> str:
        command = self._commands.get(line)
        if command is not None:
            return command()
        known = ", ".join(["?", *self._commands])
        if line == "?":
            return f"commands: {known}"
        printable = line if line.isprintable() else "that"
        return f"{printable}: unknown; commands: {known}"
