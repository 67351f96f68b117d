"""Work on a line card that an installer asks for while the engine has it: line tests and new firmware.

    asked ─► refused                         (a call is up, a foreign file, no such card …: says why)
          └► running ─► done | failed        told as `card_work` at every step, and kept for `health`

The tick thread owns it. The card does the work; here it is started, watched, and given up in time.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from board.linecard import LinecardBoard, firmware
from board.linecard.linetest import LineTestRun
from board.linecard.update import FirmwareUpdate, Progress

if TYPE_CHECKING:
    from appliance.engine.engine import Engine

log = logging.getLogger(__name__)

Message = dict[str, Any]

LINE_TEST_S = 60.0
STALLED_S = 10.0
"""An update of which the card has taken nothing for so long has failed."""
RESTART_S = 60.0
"""A card that has not come back with its new firmware by then has failed."""
TELL_EVERY_S = 0.2
MOST_KEPT = 20


@dataclass
class _Work:
    told: Message
    step: Callable[[Message], None]
    due_s: float
    """When it is given up."""
    tell_s: float = 0.0
    last: Message = field(default_factory=dict)


class CardWork:
    """Line tests and firmware updates, one per card at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: dict[str, _Work] = {}
        """Card → work."""
        self._kept: dict[tuple[str, str], Message] = {}
        self._next: deque[Callable[[], None]] = deque()
        """What the helper thread leaves to be done in the tick."""

    # ------------------------------------------------------------------ asked
    def line_test(self, ref: str, socket: str) -> None:
        """Test the line or telephone in this socket."""
        port = next(
            (port for port in self._engine.table.ports if socket in (port.info.name, port.name)), None
        )
        name = port.info.name if port is not None else socket
        card = name.rpartition("/")[0]
        told: Message = {"ref": ref, "work": "line_test", "port": name, "card": card, "results": []}
        if port is None:
            self._refuse(told, f"there is no socket {socket} on the cards: see `zongji board list`")
            return
        board = self._card(told, "line-test", "this card tests no lines")
        if board is None:
            return
        if port.gone:
            self._refuse(told, port.gone)
        elif port.in_use or port.ringing or port.called:
            self._refuse(told, f"{socket} is in use: wait for the end of the call")
        else:
            run = LineTestRun(board, port.index)
            self._begin(told, lambda now: self._follow_test(now, run), LINE_TEST_S)

    def _follow_test(self, told: Message, run: LineTestRun) -> None:
        told |= {"results": [one.as_dict() for one in run.results], "state": run.state, "reason": run.reason}

    def update(self, ref: str, card: str, data: str, force: bool) -> None:
        """Give a card new firmware. data: the content of the file in base64. force: end its calls."""
        told: Message = {"ref": ref, "work": "firmware", "card": card}
        told |= {"sent": 0, "size": 0, "step": "", "version": ""}

        def read() -> None:
            try:
                new = firmware.read(base64.b64decode(data, validate=True))
            except (firmware.FirmwareError, binascii.Error) as error:
                reason = str(error)
                self._next.append(lambda: self._refuse(told, reason))
            else:
                self._next.append(lambda: self._begin_update(told, new, force))

        self._engine.in_background(read)

    def _begin_update(self, told: Message, new: firmware.Firmware, force: bool) -> None:
        board = self._card(told, "update", "this card takes no new firmware")
        if board is None:
            return
        told |= {"size": len(new.image), "version": new.version, "old": board.caps.firmware}
        rows = self._engine.table.card_rows[self._engine.cards.index(board)]
        busy = [port.info.name for port in self._engine.table.ports[rows] if port.in_use or port.ringing]
        if reason := firmware.unfit(new, board.name, board.caps.features):
            self._refuse(told, reason)
        elif busy and not force:
            text = f"a call is up on {', '.join(busy)}: wait for its end, or use --force, which ends it"
            self._refuse(told, text)
        else:
            run = FirmwareUpdate(board, new.image, new.version)
            self._begin(told, lambda now: self._follow_update(now, run, board), STALLED_S)

    def _follow_update(self, told: Message, run: FirmwareUpdate, board: LinecardBoard) -> None:
        work = self._running[told["card"]]
        if told["step"] == Progress.DONE.value:
            self._await_return(told)
            return
        if (run.sent_bytes, run.progress.value) != (told["sent"], told["step"]):
            work.due_s = self._engine.now + STALLED_S
        told |= {"sent": run.sent_bytes, "step": run.progress.value}
        if run.progress is Progress.FAILED:
            told |= {"state": "failed", "reason": run.reason}
        elif run.progress is Progress.DONE:
            work.due_s = self._engine.now + RESTART_S
            told["away"] = False

    def _await_return(self, told: Message) -> None:
        """The card has started the new firmware: it goes, and comes back with it."""
        board = self._find(told["card"])
        there = board is not None and board.control_up
        told["away"] = told["away"] or not there
        if told["away"] and board is not None and there:
            right = board.caps.firmware == told["version"]
            why = "" if right else f"the card came back with firmware {board.caps.firmware}"
            told |= {"state": "done" if right else "failed", "reason": why}

    # ------------------------------------------------------------------ ticks
    def tick(self) -> None:
        """See how far it is."""
        while self._next:
            self._next.popleft()()
        for card, work in list(self._running.items()):
            told = work.told
            work.step(told)
            now = self._engine.now
            if told["state"] == "running" and now >= work.due_s:
                told |= {"state": "failed", "reason": "the card does not go on: try again, then replug it"}
            over = told["state"] != "running"
            if over:
                del self._running[card]
                log.info("%s of card %s: %s %s", told["work"], card, told["state"], told["reason"])
            if over or (now >= work.tell_s and told != work.last):
                work.tell_s, work.last = now + TELL_EVERY_S, dict(told)
                self._tell(told)

    def report(self) -> list[Message]:
        """The last work of each kind on each card, for health."""
        return list(self._kept.values())

    # ---------------------------------------------------------------- helpers
    def _find(self, card: str) -> LinecardBoard | None:
        lost = self._engine.shelf.lost
        there = [board for place, board in enumerate(self._engine.cards) if place not in lost]
        return next((one for one in there if one.id == card and isinstance(one, LinecardBoard)), None)

    def _card(self, told: Message, feature: str, unable: str) -> LinecardBoard | None:
        """The card, when it can do this now; otherwise it is refused."""
        card = str(told["card"])
        board = self._find(card)
        if board is None:
            known = any(one.id == card for one in self._engine.cards)
            why = "it is lost, or no card with the line card protocol" if known else "there is no such card"
            self._refuse(told, f"{card}: {why}")
        elif card in self._running:
            self._refuse(told, "other work on this card goes on: wait for its end")
        elif not board.control_up:
            self._refuse(told, "the card's control port does not answer: check its cable and power")
        elif feature not in board.caps.features:
            self._refuse(told, unable)
        else:
            return board
        return None

    def _refuse(self, told: Message, reason: str) -> None:
        told |= {"state": "refused", "reason": reason}
        self._tell(told)

    def _begin(self, told: Message, step: Callable[[Message], None], within_s: float) -> None:
        told |= {"state": "running", "reason": ""}
        self._running[told["card"]] = _Work(told, step, self._engine.now + within_s)
        self._tell(told)

    def _tell(self, told: Message) -> None:
        message = {**told, "at": self._engine.unix_s}
        key = (str(told["work"]), str(told.get("port", told["card"])))
        self._kept.pop(key, None)
        self._kept[key] = message
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._engine.publish("card_work", message)
