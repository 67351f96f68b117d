"""The cards of a running engine: one that fails is taken out, one that is offered is put in.

    card pulled      its ports are lost, its calls end; its rows wait for it
    card is back     the same rows and names (it is known by its id)
    card added       rows after the others, as many as were kept free

Opening and closing take time and are done by others; here only rows change hands,
between two ticks, so that calls on other cards lose no sample.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from appliance.core import events as core
from appliance.engine.worker import Aside
from board import api

if TYPE_CHECKING:
    from appliance.engine.engine import Engine

log = logging.getLogger(__name__)

CLOSE_S = 5.0

OnLost = Callable[[str, str], None]
"""`on_lost(card id, reason)`: the card has been closed and may be opened again. Called by a helper thread."""


class Shelf:
    """Which cards are in use. The tick thread owns it; only `offer` may be called by others."""

    def __init__(self, engine: Engine, on_lost: OnLost | None, threaded: bool = False) -> None:
        """threaded: cards are closed on threads of their own, because one that hangs may hold them."""
        self._engine = engine
        self._aside = Aside("closing a card", threaded)
        self._offers: deque[api.Board] = deque()
        self._on_lost = on_lost
        self.lost: set[int] = set()
        """Places of cards that are not there."""
        self.refused: dict[str, str] = {}
        """Cards that could not be put in: id -> why."""

    def offer(self, board: api.Board) -> None:
        """An opened card, to be used from the next tick on. Any thread."""
        self._offers.append(board)

    def take(self, events: list[core.Event]) -> None:
        """Put in what has been offered."""
        while self._offers:
            board = self._offers.popleft()
            problem = self._put_in(board, events)
            if problem:
                self.refused[board.id] = problem
                self._engine.notice("card_refused", {"card": board.id, "reason": problem}, "error")
                self._aside.submit(board.close)

    def _put_in(self, board: api.Board, events: list[core.Event]) -> str:
        """ "" when it is in, else why not."""
        engine, table = self._engine, self._engine.table
        self.refused.pop(board.id, None)
        places = [n for n, old in enumerate(engine.boards) if old.id == board.id]
        if not self.lost.issuperset(places):
            return f"a card {board.id} is in use already"
        place = next((place for place in places if table.fits(place, board)), None)
        if place is not None:
            engine.boards[place] = engine.clocks.add(board)
            self.lost.discard(place)
            for port in table.renew(place, board):
                engine.hearing.restart(port)
                engine.hearing.gate(port)
                if port.name:
                    events.append(core.PortReady(port.name))
            events += engine.use_plan()
            log.info("card %s is back", board.id)
            engine.notice("card_back", {"card": board.id, "ports": len(board.ports)}, "info")
            return ""
        if len(table) + len(board.ports) > engine.rows:
            return f"there is no room for {len(board.ports)} more ports: start the engine again to use it"
        engine.boards.append(engine.clocks.add(board))
        engine.grown(table.add(board))
        events += engine.use_plan()
        log.info("card %s is new: %d ports", board.id, len(board.ports))
        engine.notice("card_added", {"card": board.id, "ports": len(board.ports)}, "info")
        return ""

    def lose(self, place: int, reason: str) -> bool:
        """A card does not answer any more. False when that was known."""
        if place in self.lost:
            return False
        self.lost.add(place)
        board = self._engine.boards[place]
        log.error("card %s is lost: %s", board.id, reason)
        self._engine.notice("card_lost", {"card": board.id, "reason": reason}, "error")
        self._aside.submit(lambda: self._give_up(board, reason))
        return True

    def _give_up(self, board: api.Board, reason: str) -> None:
        board.close()
        if self._on_lost is not None:
            self._on_lost(board.id, reason)

    def describe(self) -> list[dict[str, Any]]:
        """All cards, for people."""
        return [
            {
                "id": board.id,
                "state": "lost" if place in self.lost else "in use",
                "ports": len(self._engine.table.ports[self._engine.table.card_rows[place]]),
                "firmware": board.caps.firmware,
                "features": sorted(board.caps.features),
            }
            for place, board in enumerate(self._engine.boards)
        ]

    def close(self) -> None:
        """Release all cards, those on offer too; a card that hangs is not waited for longer than 5 s."""
        for board in (*self._engine.boards, *self._offers):
            self._aside.submit(board.close)
        if not self._aside.finish(CLOSE_S):
            log.error("a card could not be closed in time: its lines may stay taken until it is pulled out")
