"""Sockets of lines and telephones when a box changes between the simulated office and real cards.

    real cards, then the office     they sit at the office's sockets while it is there; nothing is stored
    the office, then real cards     they move to the cards' sockets for good

In both cases in the order of the tables and of the sockets; whoever finds no socket keeps the one he had.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.store import Store

log = logging.getLogger(__name__)

OFFICE = "sim/"

Rows = list[dict[str, Any]]


def office(sockets: Sequence[str]) -> bool | None:
    """Whether the simulated office is all there is (True) or not there at all (False); else None."""
    found = {name.startswith(OFFICE) for name in sockets}
    return found.pop() if len(found) == 1 else None


def misplaced(plan: Mapping[str, Any], sockets: Sequence[str]) -> bool:
    """Whether the plan has a line or telephone at a socket of the other kind of board."""
    kind = office(sockets)
    rows = [*plan.get("lines", ()), *plan.get("phones", ())]
    return kind is not None and any(str(row["port"]).startswith(OFFICE) != kind for row in rows)


def stand_in(rows: Rows, sockets: Sequence[str]) -> Rows:
    """The rows of a plan as they sit while the office stands in for the cards; `sockets` of their kind."""
    return _seated(rows, sockets, simulated=True) if office(sockets) else rows


def move_in(store: Store, lines: Sequence[str], phones: Sequence[str]) -> None:
    """Move what has sockets of the office to those of real cards. Raises StoreError."""
    if office([*lines, *phones]) is not False:
        return
    moved = 0
    with store.transaction():
        for table, sockets in ((store.lines, lines), (store.phones, phones)):
            before = table.list()
            for row, seated in zip(before, _seated(before, sockets, simulated=False), strict=True):
                if row != seated:
                    table.put(seated)
                    moved += 1
    if moved:
        log.info("%d lines and telephones of the simulated office have moved to the cards", moved)


def _seated(rows: Rows, sockets: Sequence[str], simulated: bool) -> Rows:
    def stays(row: dict[str, Any]) -> bool:
        return str(row["port"]).startswith(OFFICE) == simulated

    taken = {row["port"] for row in rows if stays(row)}
    free = iter([name for name in sockets if name not in taken])
    return [row if stays(row) else {**row, "port": next(free, row["port"])} for row in rows]
