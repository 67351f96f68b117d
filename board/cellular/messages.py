"""Short messages of one module: sent part by part, fetched where the module stores them.

A message is deleted from the module only when it has been handed on, whole, and said to be
stored (SmsStored): what a crash or a power cut interrupts is found again at the next start.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from board.api import SendSms, SmsFailed, SmsReceived, SmsReported, SmsSent
from board.atline import TIMEOUT, Query, Result, fields
from board.cellular.longsms import Joiner, Whole, split
from board.cellular.pdu import Deliver, PduError, StatusReport, Submit, decode, encode_submit

if TYPE_CHECKING:
    from board.cellular.machine import CellularMachine

log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 60.0
MOST_WAITING = 50
RECEIVED = ("0", "1")
"""Of +CMGL: received unread, received read; others are our own, stored."""


LATER = "the network cannot take messages now: try again later"
_REFUSALS = {
    **dict.fromkeys((1, 28), "the network does not know this number"),
    **dict.fromkeys(
        (8, 10, 21, 29, 30, 50, 69), "the network refuses it: may this SIM card send, has it credit?"
    ),
    **dict.fromkeys((17, 22, 27, 38, 41, 42, 47, 331, 332, 512), LATER),
    **dict.fromkeys((310, 313, 315, 320), "the SIM card does not work: try another one"),
    **dict.fromkeys((193, 330), "the SIM card does not know its message centre: set it in a telephone"),
}
"""+CMS ERROR: 3GPP TS 27.005, 3.2.5, and 24.011, Annex E."""


def _why(result: Result) -> str:
    """Why a part was not sent, for people."""
    code = result.detail.rpartition(" ")[2] if result.detail.startswith("+CMS ERROR:") else ""
    words = _REFUSALS.get(int(code), "the network does not take it") if code.isdecimal() else ""
    return f"{words} ({result.detail})" if words else result.reason


@dataclass
class _Outgoing:
    command: int
    parts: deque[Submit]
    count: int
    references: list[int] = field(default_factory=list)


class Messages:
    """The message side of a module."""

    setup = (
        "AT+CMGF=0",
        'AT+CPMS="SM","SM","SM"',
        # +CMTI for messages, +CDS for reports, neither shown on a screen.
        "AT+CNMI=2,1,0,1,0",
    )

    def __init__(self, machine: CellularMachine) -> None:
        self._machine = machine
        self._queue: deque[_Outgoing] = deque()
        self._sending: _Outgoing | None = None
        self._joiner = Joiner()
        self._reference = 0
        self._fetch = False
        self._held: set[int] = set()
        """Slots of the module whose message has been taken and is not deleted yet."""
        self._handed_on: dict[str, set[int]] = {}
        """Receipts of messages that are not known to be stored, with their slots."""
        self._now_s = 0.0
        self.bad = 0
        """Messages that could not be read."""

    def start(self) -> None:
        """The module is set up: fetch what it has stored."""
        self._joiner = Joiner()
        self._held.clear()
        self._handed_on.clear()
        self._fetch = True

    def stop(self, why: str) -> None:
        """The module is gone: what was being sent has failed."""
        if self._sending is not None:
            self._fail(self._sending, why, unsure=True)
            self._sending = None
        for one in self._queue:
            self._fail(one, why)
        self._queue.clear()

    def send(self, number: int, command: SendSms) -> None:
        """Queue a text; its result is SmsSent or SmsFailed."""
        self._reference = (self._reference + 1) % 256
        try:
            parts = split(command.number, command.text, self._reference, command.report)
            for part in parts:
                encode_submit(part)
        except PduError as error:
            self._machine.events.append(SmsFailed(0, 0, number, str(error)))
            return
        if len(self._queue) >= MOST_WAITING:
            self._machine.events.append(SmsFailed(0, 0, number, f"{MOST_WAITING} messages wait already"))
            return
        self._queue.append(_Outgoing(number, deque(parts), len(parts)))

    def tick(self, now_s: float) -> None:
        """Let time pass. Calls come first: nothing is begun while one is being set up."""
        self._now_s = now_s
        for whole in self._joiner.overdue(now_s):
            self._hand_on(whole)
        machine = self._machine
        if not machine.line.idle or machine.call not in ("", "connected") or not machine.ready:
            return
        if self._fetch:
            self._fetch = False
            machine.line.send(Query("AT+CMGL=4", 30.0, "+CMGL:", collect=True, empty_ok=True), self._listed)
        elif self._sending is None and self._queue:
            self._sending = self._queue.popleft()
            self._send_part()

    def urc(self, text: str) -> None:
        """A line that is neither about calls nor about the network."""
        if text.startswith(("+CMTI:", "+CDSI:")):
            index = fields(text)[-1]
            if index.isdecimal():
                self._machine.line.send(
                    Query(f"AT+CMGR={index}", 10.0, "+CMGR:", collect=True, empty_ok=True),
                    lambda result: self._fetched(int(index), result),
                )
        elif text.startswith(("+CMT:", "+CDS:")):
            # Handed over at once and stored nowhere.
            self._take(text.partition("\n")[2], None)

    # ------------------------------------------------------------------- in
    def _listed(self, result: Result) -> None:
        if not result.ok:
            log.warning("cellular: stored messages were not listed: %s", result.reason)
            return
        slot: int | None = None
        for line in result.lines:
            if line.startswith("+CMGL:"):
                parts = fields(line)
                known = len(parts) >= 2 and parts[0].isdecimal() and parts[1] in RECEIVED
                slot = int(parts[0]) if known else None
            elif slot is not None:
                self._take(line, slot)
                slot = None

    def _fetched(self, slot: int, result: Result) -> None:
        lines = [line for line in result.lines if not line.startswith("+CMGR:")]
        if result.ok and lines:
            self._take(lines[0], slot)
        elif not result.ok:
            log.warning("cellular: message %d could not be read: %s", slot, result.reason)

    def _take(self, digits: str, slot: int | None) -> None:
        if slot is not None:
            # A message that arrives while the stored ones are listed is listed and told as well.
            if slot in self._held:
                return
            self._held.add(slot)
        try:
            message = decode(digits)
        except PduError as error:
            # Nobody could ever read it, and it would fill the store.
            self.bad += 1
            log.warning("cellular: a message cannot be read (%s): %s", error, digits[:400])
            self._delete(slot)
            return
        if isinstance(message, Deliver):
            for whole in self._joiner.add(replace(message, slot=slot, raw=digits), self._now_s):
                self._hand_on(whole)
        elif isinstance(message, StatusReport):
            self._machine.events.append(SmsReported(0, 0, message.to, message.reference, message.state))
            self._delete(slot)

    def _hand_on(self, whole: Whole) -> None:
        # The network may deliver one message twice, into two slots.
        self._handed_on.setdefault(whole.receipt, set()).update(whole.slots)
        self._machine.events.append(
            SmsReceived(0, 0, whole.sender, whole.text, whole.sent_unix_s, whole.missing, whole.receipt)
        )

    def stored(self, receipt: str) -> None:
        """The message is safe elsewhere: the module's copy goes."""
        for slot in sorted(self._handed_on.pop(receipt, ())):
            self._delete(slot)

    def _delete(self, slot: int | None) -> None:
        if slot is not None:
            self._machine.line.send(Query(f"AT+CMGD={slot}", 10.0), lambda _: self._held.discard(slot))

    # ------------------------------------------------------------------ out
    def _send_part(self) -> None:
        assert self._sending is not None
        digits, octets = encode_submit(self._sending.parts[0])
        query = Query(f"AT+CMGS={octets}", SEND_TIMEOUT_S, "+CMGS:", body=digits.encode("ascii"))
        self._machine.line.send(query, self._part_sent)

    def _part_sent(self, result: Result) -> None:
        one = self._sending
        if one is None:
            return
        self._sending = None
        reference = fields(result.lines[0])[0] if result.lines else ""
        if not result.ok or not reference.isdecimal():
            self._fail(one, _why(result), unsure=result.ok or result.status == TIMEOUT)
            return
        one.parts.popleft()
        one.references.append(int(reference))
        if one.parts:
            # Back into the queue: a call that has come in meanwhile goes first.
            self._queue.appendleft(one)
        else:
            self._machine.events.append(SmsSent(0, 0, one.command, tuple(one.references)))

    def _fail(self, one: _Outgoing, why: str, unsure: bool = False) -> None:
        done = f" (after {len(one.references)} of {one.count} parts)" if one.references else ""
        self._machine.events.append(SmsFailed(0, 0, one.command, why + done, unsure))
