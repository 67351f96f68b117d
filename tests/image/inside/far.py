"""On the box: an exchange at the other end of looped DAHDI spans (`python -m tests.image.inside.far FOLDER`).

Span 1 is a card of the box with a line and a telephone socket, span 2 is held by this program. It does what
is written to FOLDER/do (`ring`, `hang up`, `end`); FOLDER/state.json tells what comes of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from board.dahdi import ioctls
from tests.guest.dahdi_loop import EXCHANGE, TELEPHONE, Far, looped_spans

SECOND_BLOCKS = 50


def serve(folder: Path) -> None:
    """Until told to end."""
    os.mkfifo(folder / "do")
    wishes = os.open(folder / "do", os.O_RDWR | os.O_NONBLOCK)
    answered_at, loud, told = -1, [], ""
    exchange, telephone = Far(EXCHANGE), Far(TELEPHONE)
    while told != "end":
        told = _wish(wishes)
        if told == "ring":
            exchange.events.clear()
            exchange.hook(ioctls.HOOK_RING)
            answered_at, loud = -1, []
        elif told == "hang up":
            exchange.hook(ioctls.HOOK_ONHOOK)
        exchange.tick()
        telephone.tick()
        if answered_at < 0 and ioctls.EVENT_RINGOFFHOOK in exchange.events:
            exchange.hook(ioctls.HOOK_OFFHOOK)
            answered_at = len(exchange.heard)
        while answered_at >= 0 and len(exchange.heard) - answered_at >= SECOND_BLOCKS * (len(loud) + 1):
            begin = answered_at + SECOND_BLOCKS * len(loud)
            second = np.concatenate(exchange.heard[begin : begin + SECOND_BLOCKS]).astype(float)
            loud.append(round(float(np.sqrt(np.mean(second**2)))))
            _tell(folder, answered=True, loud=loud, over=False)
        if answered_at >= 0 and ioctls.EVENT_ONHOOK in exchange.events:
            _tell(folder, answered=True, loud=loud, over=True)
        time.sleep(0.005)
    exchange.close()
    telephone.close()


def _wish(wishes: int) -> str:
    try:
        return os.read(wishes, 4096).decode().strip()
    except BlockingIOError:
        return ""


def _tell(folder: Path, **state: object) -> None:
    (folder / "new").write_text(json.dumps(state))
    (folder / "new").replace(folder / "state.json")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir()
    # The exchange is a machine of its own: it does not wait for the box's programs.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(55))
    with looped_spans():
        _tell(place, answered=False)
        serve(place)
