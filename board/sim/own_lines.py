"""The box calling one of its own numbers: two lines of the exchange joined to each other.

    box ─ line A ─ End (of A) ◄──► End (of B) ─ line B ─ box

Each end is to its line what an outside telephone is: it rings, is connected, speaks and
hears. What one hears in a block the other says in the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from board.sim.callerid import Identity
from board.sim.levels import BLOCK, Float, Int16

if TYPE_CHECKING:
    from board.sim.exchange import ExchangeLine
    from board.sim.office import Office


class End:
    """One end of a call between two lines. `line` is the line that it serves."""

    behaviour = "manual"

    def __init__(self, office: Office, line: ExchangeLine) -> None:
        self._office = office
        self.line: ExchangeLine | None = line
        self._other: End = self
        self._talking = False
        self._heard: Int16 = np.zeros(BLOCK, dtype=np.int16)

    @property
    def talking(self) -> bool:
        """There is a talk path."""
        return self._talking

    def ring(self, line: ExchangeLine, t: int) -> bool:
        """Line A wants to reach the line this end was made for; False when that is engaged."""
        called, self.line = self.line, line
        if called is None or called is line:
            return False
        self._other = End(self._office, called)
        self._other._other = self
        who = Identity(line.config.number)
        return called.offer(self._other, who, called.config.callerid, called.config.ring_delay_ms, t)

    def connected(self, line: ExchangeLine, t: int) -> None:
        """The box has answered line B, or line A has been told so."""
        self._talking = True
        self._office.awake(self)
        far = self._other.line
        if far is not None and not self._other._talking:
            far.party_answers(t)

    def released(self, t: int) -> None:
        """The box has let go of this line: the other one loses its party."""
        self._end()
        far, self._other.line = self._other.line, None
        self._other._end()
        if far is not None:
            far.party_gone(t)

    def speak(self, out: Float) -> None:
        """What the other end heard in the last block, into `out` [BLOCK]."""
        out[:] = self._other._heard

    def hear(self, block: Int16) -> None:
        """What the line brings from the box, int16 [BLOCK]."""
        self._heard = block

    def hear_tone(self, scratch: Float) -> None:
        """Nobody listens to tones here."""

    def _end(self) -> None:
        self._talking = False
        self.line = None
        self._office.asleep(self)
