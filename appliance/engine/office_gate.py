"""office.sock: a browser's hands, ears and mouth on the simulated office.

The socket's thread only takes messages in and sends them out; everything that
touches the office happens in `tick`, on the tick thread. Live sound is kept
live: two blocks smooth the browser's jitter, what comes late is dropped.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from appliance.client import Message
from appliance.engine.line_server import Client, LineServer
from appliance.engine.ports import PortTable
from board.api import BLOCK_SAMPLES
from board.sim import Office, OfficeError, OutsidePhone, TelephoneSet

log = logging.getLogger(__name__)

BLOCK_BYTES = 2 * BLOCK_SAMPLES
PRIME_BLOCKS = 2
MOST_BLOCKS = 4
"""Blocks of a browser's sound that may wait (80 ms); older ones are dropped."""
STALE_BYTES = 3 * 460
"""A client that has not taken three blocks of sound gets no more until it has."""
KERNEL_BUFFER_BYTES = 4096


class Jitter:
    """Evens out the arrival of live blocks."""

    def __init__(self) -> None:
        self._blocks: deque[bytes] = deque(maxlen=MOST_BLOCKS)
        self._primed = False

    def put(self, block: bytes) -> None:
        """A block has come; the oldest goes when too many wait."""
        self._blocks.append(block)

    def take(self) -> bytes | None:
        """The block for this tick, None when there is none yet."""
        if not self._primed and len(self._blocks) < PRIME_BLOCKS:
            return None
        self._primed = bool(self._blocks)
        return self._blocks.popleft() if self._blocks else None


class Caller:
    """An outside telephone in somebody's hands."""

    def __init__(self, office: Office, table: PortTable, name: str) -> None:
        self._table = table
        self._phone: OutsidePhone = office.outside(name)

    def do(self, message: Message) -> None:
        """Carry out one wish. Raises OfficeError."""
        match message["do"]:
            case "call":
                self._phone.call(
                    self._line(message.get("line", "L1")),
                    number=_text(message, "number"),
                    name=_text(message, "name"),
                    callerid=_text(message, "callerid"),
                )
            case "hang_up":
                self._phone.hang_up()
            case "answer" | "lift":
                self._phone.answer()
            case "press":
                self._phone.press(_keys(message))
            case other:
                raise OfficeError(f"an outside telephone cannot {other!r}")

    def _line(self, name: Any) -> int:
        port = self._table.by_name(str(name))
        if port is None or not port.is_line:
            raise OfficeError(f"there is no line {name!r}: choose one of the box's lines")
        return port.index

    @property
    def state(self) -> Message:
        """What is shown."""
        return {"state": self._phone.state, "number": self._phone.number}

    @property
    def hears(self) -> bool:
        """The handset is up."""
        return self._phone.state not in ("idle", "ringing")

    def feed(self, block: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        """Speak one block."""
        self._phone.feed(block)

    def listen(self) -> bytes:
        """What was heard in the last tick."""
        return self._phone.listen().tobytes()


class Extension:
    """A telephone of the box in somebody's hands."""

    def __init__(self, office: Office, table: PortTable, ext: str) -> None:
        port = table.by_name(ext)
        if port is None or port.is_line:
            raise OfficeError(
                f"there is no telephone {ext!r} in the plan: choose one of the box's telephones"
            )
        self._phone: TelephoneSet = office.phone(port.index)

    def do(self, message: Message) -> None:
        """Carry out one wish. Raises OfficeError."""
        match message["do"]:
            case "lift" | "answer":
                self._phone.lift()
            case "hang_up":
                self._phone.hang_up()
            case "press":
                self._phone.press(_keys(message))
            case "flash":
                self._phone.flash()
            case other:
                raise OfficeError(f"a telephone of the box cannot {other!r}")

    @property
    def state(self) -> Message:
        """What is shown."""
        state = "off_hook" if self._phone.off_hook else "ringing" if self._phone.ringing else "idle"
        shown = self._phone.display.shown
        display = None
        if shown is not None:
            presentation = {"": "shown", "P": "withheld", "O": "unavailable"}[shown.presentation.value]
            display = {"number": shown.number, "name": shown.name, "presentation": presentation}
        return {"state": state, "bell": self._phone.bell_on, "display": display, "lamp": self._phone.lamp}

    @property
    def hears(self) -> bool:
        """The handset is up."""
        return self._phone.off_hook

    def feed(self, block: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        """Speak one block."""
        self._phone.feed(block)

    def listen(self) -> bytes:
        """What was heard in the last tick."""
        return self._phone.listen().tobytes()


Actor = Caller | Extension


def _text(message: Message, key: str) -> str | None:
    value = message.get(key)
    return None if value is None else str(value)


def _keys(message: Message) -> str:
    keys = str(message.get("keys", ""))
    if len(keys) > 64 or any(key not in "0123456789*#ABCD," for key in keys):
        raise OfficeError(f"{keys[:70]!r} are not keys of a telephone")
    return keys


class _Hand:
    """One attached client."""

    def __init__(self, client: Client, key: str, actor: Actor) -> None:
        self.client = client
        self.key = key
        self.actor = actor
        self.jitter = Jitter()
        self.shown: Message = {}


class OfficeGate:
    """Serves office.sock for one simulated office."""

    def __init__(self, path: Path, office: Office, table: PortTable) -> None:
        """Raises WireError when the path cannot be listened on."""
        self._office = office
        self._table = table
        self._inbox: deque[tuple[Client, Message | None]] = deque()
        self._hands: dict[Client, _Hand] = {}
        self._server = LineServer(
            path,
            on_message=lambda client, message: self._inbox.append((client, message)),
            on_close=lambda client: self._inbox.append((client, None)),
            kernel_buffer_bytes=KERNEL_BUFFER_BYTES,
        )

    @property
    def backlog(self) -> int:
        """Messages that have arrived and not been dealt with."""
        return len(self._inbox)

    def tick(self) -> None:
        """Between two ticks of the engine: do what hands want, pass sound both ways."""
        while self._inbox:
            client, message = self._inbox.popleft()
            if message is None:
                self._leave(client)
            else:
                self._take(client, message)
        for hand in self._hands.values():
            self._serve(hand)

    def close(self) -> None:
        """Disconnect everybody and remove the socket. Idempotent."""
        self._server.close()

    def _take(self, client: Client, message: Message) -> None:
        try:
            hand = self._hands.get(client)
            if "attach" in message:
                self._leave(client)
                self._attach(client, str(message["attach"]))
            elif hand is None:
                raise OfficeError(
                    'say first what you hold: {"attach": "caller:NAME"} or {"attach": "phone:801"}'
                )
            elif "audio" in message:
                hand.jitter.put(_block(message["audio"]))
            elif "do" in message:
                hand.actor.do(message)
            else:
                raise OfficeError(f"a message without attach, do or audio: {sorted(message)}")
        except (OfficeError, ValueError) as error:
            client.send({"error": str(error)})

    def _attach(self, client: Client, what: str) -> None:
        kind, _, name = what.partition(":")
        makers: dict[str, Callable[[Office, PortTable, str], Actor]] = {"caller": Caller, "phone": Extension}
        if kind not in makers or not name:
            raise OfficeError(f"{what!r} cannot be held: use caller:NAME or phone:EXTENSION")
        self._hands[client] = _Hand(client, what, makers[kind](self._office, self._table, name))

    def _leave(self, client: Client) -> None:
        """A hand that lets go puts its telephone down, unless another one still holds it."""
        hand = self._hands.pop(client, None)
        if hand is not None and all(other.key != hand.key for other in self._hands.values()):
            hand.actor.do({"do": "hang_up"})

    def _serve(self, hand: _Hand) -> None:
        block = hand.jitter.take()
        if block is not None:
            hand.actor.feed(np.frombuffer(block, np.int16))
        state = hand.actor.state
        if state != hand.shown:
            hand.shown = state
            hand.client.send(state)
        if hand.actor.hears and len(hand.client.unsent) < STALE_BYTES:
            hand.client.send({"audio": base64.b64encode(hand.actor.listen()).decode("ascii")})


def _block(text: Any) -> bytes:
    """One block of int16 little-endian samples. Raises OfficeError."""
    try:
        block = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise OfficeError("audio must be base64") from error
    if len(block) != BLOCK_BYTES:
        raise OfficeError(f"audio must be {BLOCK_SAMPLES} int16 samples, not {len(block)} bytes")
    return block
