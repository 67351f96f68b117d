"""Everybody about equally loud for whoever listens: the automatic gain of the ports in a conversation.

    line ──heard──┬──────────────────────────► detectors, figures    (never amplified)
                  └─► canceller ─► gain ─► mixer ─► the other port, recording

What we say to a line comes back from it as an echo; that is nobody's voice, and nothing is learned
from it. A fax or modem gets no gain at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.core.plan import Plan, SoundPlan
from appliance.engine.ports import Port
from appliance.engine.powers import Powers
from dsp.agc import Agc
from dsp.ownecho import OwnEcho

Float = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Levelling:
    """The automatic gain of all ports that the plan wants it for. The tick thread alone uses it."""

    def __init__(self, rows: int) -> None:
        self._out: Float = np.zeros((rows, 0), np.float32)
        self._rows = np.zeros(0, np.intp)
        self.plain = np.zeros(rows, np.bool_)
        """Rows that a fax or modem is on."""
        self._sound = SoundPlan()
        self._agc: Agc | None = None
        self._echo = OwnEcho(1)
        self._wanted: tuple[list[int], SoundPlan] | None = None

    def use(self, ports: Sequence[Port], plan: Plan) -> None:
        """Take the plan's wishes; they come into force when nobody talks, so that nobody's voice jumps."""
        wanted = {line.id for line in plan.lines if line.automatic_gain}
        wanted |= {phone.ext for phone in plan.phones if phone.automatic_gain}
        rows = [port.row for port in ports if port.name in wanted]
        same = rows == self._rows.tolist() and plan.sound == self._sound
        self._wanted = None if same else (rows, plan.sound)

    def restart(self, row: int) -> None:
        """Another call begins on this row."""
        self.plain[row] = False
        if self._agc is not None and (at := np.flatnonzero(self._rows == row)).size:
            self._agc.reset(at.tolist())
            self._echo.reset(at)

    def leave_alone(self, row: int) -> None:
        """A fax or modem is on this row: no gain until `restart`."""
        self.restart(row)
        self.plain[row] = True

    def left_alone(self, row: int) -> bool:
        """Whether a fax or modem is on this row."""
        return bool(self.plain[row])

    def gain_db(self, row: int) -> float:
        """The automatic gain of a row now."""
        at = np.flatnonzero(self._rows == row)
        return float(self._agc.gain_db[at[0]]) if self._agc is not None and at.size else 0.0

    def process(self, heard: Float, powers: Powers, bridged: Bools) -> Float:
        """What the others shall hear of each port: float32 [rows, samples] on the 16-bit scale.

        heard: what the ports say; powers: of it, and of what was said to them in the block before;
        bridged: rows in a conversation. Returns `heard` itself where there is nothing to do.
        """
        if not bridged.any():
            if self._wanted is not None:
                self._renew(*self._wanted)
            return heard
        if self._agc is None:
            return heard
        rows = self._rows
        active = np.greater(bridged, self.plain)[rows]
        count = np.count_nonzero(active)
        if not count:
            return heard
        learns = np.greater(active, self._echo.process(powers.heard[rows], powers.said[rows]))
        everything = len(rows) == len(heard)
        levelled = self._agc.process(heard if everything else heard[rows], learns)
        if count < len(rows):
            rows, levelled = rows[active], levelled[active]
        elif everything:
            return levelled
        if self._out.shape != heard.shape:
            self._out = np.zeros_like(heard)
        np.copyto(self._out, heard)
        self._out[rows] = levelled
        return self._out

    def _renew(self, rows: list[int], sound: SoundPlan) -> None:
        self._wanted = None
        self._rows, self._sound = np.array(rows, np.intp), sound
        self._agc = None
        if rows:
            limits = {"lowest_db": -sound.most_cut_db, "highest_db": sound.most_gain_db}
            self._agc = Agc(len(rows), **limits)
            self._echo = OwnEcho(len(rows))
