"""Finds, opens and re-opens cards for a running engine, on a thread of its own.

    plugged in        opened, offered to the engine
    cannot be opened  tried again after 1, 2, 4 … 30 s while it is plugged in; the reason is shown
    lost              tried again after half a second, then as above; a card that was pulled is
                      tried when it is plugged in again

Opening may take seconds (a card says hello, a modem answers), so nothing here runs in the tick; and
a driver that hangs may never come back from it, so each card is opened on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from board.api import Board, BoardError
from board.door import Door
from board.hotplug import Card, CardFound, CardLost, Event, Inventory

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
MOST_RETRY_S = 30.0
FIRST_S = 3.0
"""So long the start waits for cards. One that takes longer, or hangs, is put in when it is ready: the plan
knows ports by the card's name, whenever it comes."""
SLOW_S = 30.0
SLOW = "the card does not finish opening: pull it out and plug it in again"
MOST_RETRY_BY_ADDRESS_S = 2.0
"""For cards given by address: no event tells when one of them is plugged in again."""

Open = Callable[[str], Board]
Offer = Callable[[Board], None]


class Watcher(Protocol):
    """Where device events come from."""

    def scan(self) -> list[Event]:
        """What is there now."""

    def wait(self, timeout_s: float | None) -> list[Event]:
        """What has changed since; waits for it, for `wake`, or for the time."""

    def wake(self) -> None:
        """End the waiting. Any thread."""

    def close(self) -> None:
        """Stop."""


class NoWatcher:
    """For cards given by address: nothing comes or goes, only time passes."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def scan(self) -> list[Event]:
        """Nothing."""
        return []

    def wait(self, timeout_s: float | None) -> list[Event]:
        """Pass the time."""
        self._event.wait(timeout_s)
        self._event.clear()
        return []

    def wake(self) -> None:
        """End the waiting."""
        self._event.set()

    def close(self) -> None:
        """Nothing to stop."""


@dataclass
class Place:
    """One card that should be in use."""

    address: str
    card: Card | None = None
    board_id: str = ""
    """Of the opened card; "" while it is not open."""
    last_id: str = ""
    due_s: float = 0.0
    tries: int = 0
    problem: str = ""
    pulled: bool = False
    """Unplugged while the engine still has it: it may be reached again when it is plugged in again."""
    door: Door[Board] | None = None
    """Through which it is being opened."""

    def leave(self) -> None:
        """The card is not wanted any more."""
        if self.door is not None:
            self.door.shut(lambda board: board.close())
            self.door = None

    def failed(self, now_s: float, problem: str) -> None:
        """Not now: later."""
        self.problem = problem
        most_s = MOST_RETRY_S if self.card is not None else MOST_RETRY_BY_ADDRESS_S
        self.due_s = now_s + min(most_s, FIRST_RETRY_S * 2**self.tries)
        self.tries += 1


class Finder:
    """Keeps the engine supplied with cards. `start` runs it on a thread; `step` is one round of it."""

    def __init__(
        self,
        watcher: Watcher,
        inventory: Inventory,
        open_: Open,
        now_s: Callable[[], float] = time.monotonic,
        threaded: bool = False,
    ) -> None:
        """`open_` raises BoardError when a card cannot be used. threaded: each card is opened on a
        thread of its own (the real process); otherwise in `step`."""
        self._threaded = threaded
        self._watcher, self._inventory, self._open, self._now_s = watcher, inventory, open_, now_s
        self._places: dict[str, Place] = {}
        self._lost: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._offer: Offer | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._state: list[dict[str, Any]] = []

    # ------------------------------------------------------------ any thread
    def state(self) -> list[dict[str, Any]]:
        """All cards that were found, for people; each has "state": "in use", "problem" or "opening"."""
        return self._state

    def lost(self, board_id: str, reason: str) -> None:
        """The engine has lost (and closed) a card."""
        with self._lock:
            self._lost.append((board_id, reason))
        self._watcher.wake()

    # --------------------------------------------------------------- rounds
    def adopt(self, address: str, board_id: str) -> None:
        """Look after a card that somebody else has opened."""
        self._places[address] = Place(address, board_id=board_id, last_id=board_id)
        self._tell()

    @property
    def opening(self) -> int:
        """How many cards are being opened."""
        return sum(place.door is not None for place in self._places.values())

    def first(self, within_s: float = FIRST_S) -> list[Board]:
        """Look once and open what is there; what is not open by then is offered later."""
        self._heed(self._watcher.scan())
        boards: list[Board] = []
        until_s = time.monotonic() + within_s
        self._begin_due()
        for place in self._places.values():
            if place.door is not None:
                place.door.wait(until_s - time.monotonic())
        self._take_opened(boards.append)
        return boards

    def start(self, offer: Offer) -> None:
        """Run on a thread of its own from now on."""
        self._offer = offer
        self._thread = threading.Thread(target=self._run, name="cards", daemon=True)
        self._thread.start()

    def step(self, timeout_s: float | None) -> None:
        """One round: wait, note what came and went, open what is due."""
        assert self._offer is not None
        self._heed(self._watcher.wait(timeout_s))
        self._take_opened(self._offer)
        self._begin_due()
        self._take_opened(self._offer)

    def patience_s(self) -> float | None:
        """How long nothing is due; None for ever."""
        waiting = [
            place.due_s for place in self._places.values() if not place.board_id and place.problem != SLOW
        ]
        return max(0.0, min(waiting) - self._now_s()) if waiting else None

    def close(self) -> None:
        """End the thread. Cards that were offered belong to the engine."""
        self._stopping = True
        self._watcher.wake()
        if self._thread is not None:
            self._thread.join(6.0)
        if self._thread is None or not self._thread.is_alive():
            for place in self._places.values():
                place.leave()
            self._watcher.close()

    # -------------------------------------------------------------- helpers
    def _run(self) -> None:
        while not self._stopping:
            try:
                self.step(self.patience_s())
            except OSError as error:
                # The event queue ran over: what is there now is what counts.
                log.error("cards: events were lost (%s), looking anew", error)
                self._heed(self._watcher.scan())

    def _heed(self, events: list[Event]) -> None:
        now_s = self._now_s()
        with self._lock:
            lost, self._lost = self._lost, []
        for board_id, reason in lost:
            for place in list(self._places.values()):
                if place.board_id == board_id:
                    place.board_id, place.tries = "", 0
                    place.failed(now_s, reason)
                    if place.pulled:
                        self._forget(place.address)
        for change in self._inventory.step(events):
            card = change.card
            if isinstance(change, CardLost):
                log.info("card %s (%s) was unplugged", card.name, card.model)
                place_left = self._places.get(card.address)
                if place_left is not None and place_left.board_id:
                    place_left.pulled = True
                else:
                    self._forget(card.address)
                continue
            log.info("card %s (%s): %s", card.name, card.model, card.problem or "plugged in")
            if not isinstance(change, CardFound) and change.before.address != card.address:
                self._forget(change.before.address)
            if card.usable:
                place = self._places.setdefault(card.address, Place(card.address))
                place.card, place.tries, place.pulled = card, 0, False
                if place.door is None:
                    place.due_s = now_s
        self._tell()

    def _forget(self, address: str) -> None:
        place = self._places.pop(address, None)
        if place is not None:
            place.leave()

    def _begin_due(self) -> None:
        """Begin to open what is due, and tell of what has been opening for too long."""
        now_s = self._now_s()
        for place in self._places.values():
            if place.board_id or place.due_s > now_s or self._stopping:
                continue
            if place.door is None:
                place.door = Door(place.address, self._threaded, self._watcher.wake)
                place.due_s = now_s + SLOW_S
                place.door.open(lambda address=place.address: self._open(address))  # type: ignore[misc]
            elif place.problem != SLOW:
                log.error("card %s: %s", place.address, SLOW)
                place.problem = SLOW
                self._tell()

    def _take_opened(self, offer: Offer) -> None:
        for place in list(self._places.values()):
            if place.door is None:
                continue
            try:
                board = place.door.take()
            except Exception as error:
                # A defect in one driver must not end the thread that all other cards rely on.
                defect = not isinstance(error, BoardError)
                problem = f"{type(error).__name__}: {error}" if defect else str(error)
                if problem != place.problem:
                    log.error("card %s cannot be used: %s", place.address, problem, exc_info=defect)
                place.door = None
                place.failed(self._now_s(), problem)
            else:
                if board is None:
                    continue
                place.door = None
                place.board_id = place.last_id = board.id
                place.problem, place.tries = "", 0
                offer(board)
            self._tell()

    def _tell(self) -> None:
        used = {
            place.card.hardware: place
            for place in self._places.values()
            if place.card is not None and not place.pulled
        }
        found = [_row(card, used.get(card.hardware)) for card in self._inventory.cards]
        found += [_row(None, place) for place in self._places.values() if place.card is None]
        self._state = found


def _row(card: Card | None, place: Place | None) -> dict[str, Any]:
    problem = (card.problem if card is not None else "") or (place.problem if place is not None else "")
    in_use = place is not None and bool(place.board_id)
    address = card.address if card is not None else place.address if place is not None else ""
    return {
        "name": card.name if card is not None else (place.last_id if place is not None else "") or address,
        "scheme": card.scheme if card is not None else address.partition(":")[0],
        "model": card.model if card is not None else "",
        "driver": card.driver if card is not None else "",
        "address": address,
        "card": place.board_id if place is not None else "",
        "state": "in use" if in_use else "problem" if problem else "opening",
        "problem": "" if in_use else problem,
    }
