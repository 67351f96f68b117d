"""Short messages between the cards and control: none is lost, none is sent twice by itself.

    came in    spooled ─► SmsStored to the card (its copy goes) ─► told to control until acknowledged
    going out  spooled as open ─► SendSms ─► its fate is spooled ─► told to control until acknowledged

Control hands a message to be sent over again until it knows its fate; what is in the spool is
known, so it goes out once. One that was with a module when the engine stopped may have gone out or
not: nobody can tell, so it is not sent again, and says so (`unsure`).
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from appliance.engine.ports import Port
from appliance.engine.spool import Spool
from board import api

if TYPE_CHECKING:
    from appliance.engine.engine import Engine

log = logging.getLogger(__name__)

Message = dict[str, Any]

NO_MODULE = "no cellular module is plugged in"
NOT_NOW = "no cellular module can send now"
STOPPED = "the engine stopped while it was being sent"
CARD_LOST = "the cellular module was lost while it was being sent"
DISK = "the disk takes nothing: make room, then send it again"


def cut_off(message: Message, mended: Message, seen_at: float) -> None:
    """A message that was being sent when the engine stopped."""
    message |= {"state": "failed", "reason": STOPPED, "unsure": True, "at": seen_at}


class Messages:
    """The tick thread owns it; what is said to be of the helper runs on the thread of the files."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.spool = Spool(
            engine.home.message_spool, engine.publish, engine.notice_later, "message", cut_off, self._kept
        )
        self._safe: deque[str] = deque()
        """Messages that are on the disk or with control."""
        self._ready: deque[Message] = deque()
        """To be given to a card."""
        self._receipts: dict[str, set[tuple[int, int, str]]] = {}
        """Message → card, port and receipt of the copies that cards keep."""
        self._sending: dict[tuple[int, int], Message] = {}
        """Card and command → message."""
        self._deleting: set[tuple[int, int]] = set()
        self._last_report = 0

    def load(self) -> None:
        """Take over what an earlier run left. Helper."""
        self.spool.load(lambda name: {})

    def cut_off_all(self) -> None:
        """The engine stops. Helper."""
        self.spool.cut_off_all(lambda name: {}, self._engine.unix_s)

    # ------------------------------------------------------------- from cards
    def take(self, port: Port, event: api.PortEvent) -> bool:
        """Whether the event was about messages; then it has been dealt with."""
        match event:
            case api.SmsReceived():
                self._received(port, event)
            case api.SmsReported():
                self._reported(port, event)
            case api.SmsSent(command_id=command):
                done = {"state": "sent", "reason": "", "references": list(event.references)}
                self._settle((port.card, command), done)
            case api.SmsFailed(command_id=command):
                self._settle(
                    (port.card, command), {"state": "failed", "reason": event.reason, "unsure": event.unsure}
                )
            case api.CommandDone(command_id=command) | api.CommandFailed(command_id=command):
                key = (port.card, command)
                if key in self._deleting:
                    self._deleting.discard(key)
                elif key in self._sending and isinstance(event, api.CommandFailed):
                    self._settle(key, {"state": "failed", "reason": event.reason, "unsure": False})
                else:
                    return False
            case _:
                return False
        return True

    def _received(self, port: Port, event: api.SmsReceived) -> None:
        name = f"in-{event.receipt}"
        self._receipts.setdefault(name, set()).add((port.card, port.index, event.receipt))
        message = {
            "id": name,
            "kind": "received",
            "port": port.info.name,
            "number": event.number,
            "text": event.text,
            "missing": event.missing,
            "sent_at": event.sent_unix_s,
            "at": self._engine.unix_s,
        }

        def keep() -> None:
            if name in self.spool:
                self.spool.tell_again(name)
            else:
                self.spool.store(name, message, True)

        self._engine.in_background(keep)

    def _reported(self, port: Port, event: api.SmsReported) -> None:
        if event.state == "pending":
            return  # the network goes on trying
        self._last_report = max(self._last_report + 1, int(self._engine.unix_s * 1000))
        name = f"report-{self._last_report}"
        report = {
            "id": name,
            "kind": "report",
            "port": port.info.name,
            "number": event.number,
            "reference": event.reference,
            "state": event.state,
            "at": self._engine.unix_s,
        }
        self._engine.in_background(lambda: self._keep(name, report))

    def _keep(self, name: str, message: Message) -> None:
        self.spool.store(name, message, True)

    def _kept(self, name: str) -> None:
        """Helper."""
        self._safe.append(name)

    def _settle(self, key: tuple[int, int], fate: Message) -> None:
        """What became of a message that a card was given."""
        message = self._sending.pop(key, None)
        if message is None:
            log.warning("a card told of message command %d, which nobody knows", key[1])
            return
        self._end(message, fate)

    def _end(self, message: Message, fate: Message) -> None:
        ended = {**message, **fate, "at": self._engine.unix_s}
        self._engine.in_background(lambda: self._keep(message["id"], ended))

    def card_lost(self, card: int) -> None:
        """What it was sending may have gone out or not; what it keeps, it tells again when it is back."""
        for key in [key for key in self._sending if key[0] == card]:
            self._settle(key, {"state": "failed", "reason": CARD_LOST, "unsure": True})
        self._deleting = {key for key in self._deleting if key[0] != card}
        for copies in self._receipts.values():
            copies -= {copy for copy in copies if copy[0] == card}

    # ---------------------------------------------------------- from control
    def send(self, given: Message) -> None:
        """Control wants a message sent: {"id", "number", "text", "port" (preferred socket, or "")}.

        Raises KeyError or TypeError when something is missing.
        """
        message = {"kind": "sent", **{key: str(given[key]) for key in ("id", "number", "text", "port")}}

        def begin() -> None:
            if message["id"] in self.spool:
                return  # it is on its way, or its fate is
            now = self._engine.unix_s
            if self.spool.store(message["id"], {**message, "state": "queued", "at": now}, False):
                self._ready.append(message)
            else:
                failed = {"state": "failed", "reason": DISK, "unsure": False, "at": now}
                self.spool.store(message["id"], message | failed, True)

        self._engine.in_background(begin)

    def acknowledge(self, name: str) -> None:
        """Control has stored it."""
        self._engine.in_background(lambda: self.spool.acknowledge(name))

    # ----------------------------------------------------------------- ticks
    def tick(self) -> None:
        """Give cards what the helper has made ready."""
        while self._safe:
            for card, index, receipt in self._receipts.pop(self._safe.popleft(), ()):
                command = self._command(card, index, api.SmsStored(receipt))
                if command is not None:
                    self._deleting.add((card, command))
        while self._ready:
            message = self._ready.popleft()
            port, reason = self._choose(message["port"])
            if port is None:
                self._end(message, {"state": "failed", "reason": reason, "unsure": False})
                continue
            message["port"] = port.info.name
            wanted = api.SendSms(message["number"], message["text"], report=True)
            command = self._command(port.card, port.index, wanted)
            if command is None:
                self._end(message, {"state": "failed", "reason": NOT_NOW, "unsure": False})
            else:
                self._sending[(port.card, command)] = message

    def _command(self, card: int, index: int, command: api.Command) -> int | None:
        """None when the card turns out to be lost."""
        if card in self._engine.shelf.lost:
            return None
        try:
            return self._engine.boards[card].command(index, command)
        except api.BoardError as error:
            self._engine.lose_card(card, str(error))
            return None

    def _choose(self, wanted: str) -> tuple[Port | None, str]:
        """The port to send by: the wanted one, else the one with the least to do; or why there is none."""
        able = [port for port in self._engine.table.ports if "sms" in port.info.can]
        if not able:
            return None, NO_MODULE
        usable = [port for port in able if not port.gone and port.card not in self._engine.shelf.lost]
        if not usable:
            return None, f"{NOT_NOW}: " + "; ".join(f"{port.info.name}: {port.gone}" for port in able)
        busy = [card for card, _ in self._sending]
        return min(usable, key=lambda port: (port.info.name != wanted, busy.count(port.card))), ""

    def report(self) -> Message:
        """For health."""
        return {"waiting": self.spool.waiting, "sending": len(self._sending)}
