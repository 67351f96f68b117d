"""Outside telephones: the people who call the box and whom it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from board.sim.callerid import Identity, Presentation
from board.sim.config import CALLERID_METHODS, OfficeError
from board.sim.levels import Float, Int16, samples_of_ms, samples_of_s, to_int16
from board.sim.mouth import Ear, Mouth
from board.sim.tones import Player
from board.sim.world import World

if TYPE_CHECKING:
    from board.sim.exchange import ExchangeLine
    from board.sim.office import Office

BEHAVIOURS = ("answer", "manual", "busy", "no_answer", "congestion", "unobtainable")

AUTO_HANG_UP_MS = 2000
"""How long a subscriber who answers by himself listens to busy tone before he hangs up."""

MOST_DIGITS = 24

_CALLERIDS = (*CALLERID_METHODS, "withheld", "unavailable")


@dataclass
class Script:
    """What a subscriber who answers by himself does after lifting."""

    answer_after_s: float = 3.0
    say: tuple[NDArray[np.int16], ...] = ()
    press: str = ""
    hang_up_after_s: float | None = None


class OutsidePhone:
    """A telephone somewhere in the world.

    state: "idle"; "calling" (hears ringback); "busy_tone" (the line called is engaged);
    "ringing" (the box calls it); "talking"; "released" (the box has hung up; hears busy
    tone until `hang_up`).
    """

    def __init__(self, world: World, office: Office, name: str, number: str) -> None:
        self._world = world
        self._office = office
        self.name = name
        self.number = number
        self.behaviour = "manual"
        self.script = Script()
        self.state = "idle"
        self.mouth = Mouth()
        self.ear = Ear(world.config.hearing_s)
        self.line: ExchangeLine | None = None
        self._timers = world.timers()
        self._tone: Player | None = None

    # --------------------------------------------------------- for people
    def call(
        self,
        line_index: int,
        number: str | None = None,
        name: str | None = None,
        callerid: str | None = None,
        ring_delay_ms: float | None = None,
    ) -> None:
        """Call the box on a line. The state is then "calling" or "busy_tone".

        number, name: shown to the box, by default those of this telephone. callerid: "fsk",
        "dtmf", "none", "withheld" or "unavailable"; by default the line's method.
        OfficeError when this telephone is not idle.
        """
        if self.state != "idle":
            raise OfficeError(f"{self.name} cannot call while {self.state}: hang up first")
        if callerid is not None and callerid not in _CALLERIDS:
            raise OfficeError(f"callerid is {callerid!r}; choose one of {', '.join(_CALLERIDS)}")
        shown = self.number if number is None else number
        digits = shown.removeprefix("+")
        if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS):
            raise OfficeError(f"number is {shown!r}; write at most {MOST_DIGITS} digits")
        line = self._office.line_at(line_index)
        presentation = Presentation.SHOWN
        method = line.config.callerid
        if callerid == "withheld":
            presentation = Presentation.WITHHELD
        elif callerid == "unavailable":
            presentation = Presentation.UNAVAILABLE
        elif callerid is not None:
            method = callerid
        who = Identity(digits, (self.name if name is None else name), presentation)
        delay_ms = line.config.ring_delay_ms if ring_delay_ms is None else ring_delay_ms
        self.mouth.clear()
        self._timers.cancel()
        self.line = line
        self._office.awake(self)
        self._set("calling", "ringback")
        if not line.offer(self, who, method, delay_ms, self._world.clock):
            self.line = None
            self._set("busy_tone", "busy")

    def answer(self) -> None:
        """Lift while the box rings this telephone. OfficeError when it does not ring."""
        if self.state != "ringing" or self.line is None:
            raise OfficeError(f"{self.name} cannot answer while {self.state}: nobody is calling")
        self.line.party_answers(self._world.clock)

    def hang_up(self) -> None:
        """Put the handset down (or refuse to answer: then nothing happens). Never fails."""
        if self.state == "ringing":
            return
        self._hang_up(self._world.clock)

    def press(
        self,
        keys: str,
        on_ms: float = 80.0,
        off_ms: float = 80.0,
        level_dbm0: float = -8.0,
        twist_db: float = 0.0,
        freq_error_percent: float = 0.0,
    ) -> None:
        """Queue keys behind what is being said; they sound as soon as there is a talk path."""
        self.mouth.press(keys, on_ms, off_ms, level_dbm0, twist_db, freq_error_percent)

    def say(self, samples: NDArray[np.int16]) -> None:
        """Queue speech, int16 at 8000 samples per second; heard as soon as there is a talk path."""
        self.mouth.say(samples)

    def feed(self, block: NDArray[np.int16]) -> None:
        """One live block, int16 [160]; lost unless talking."""
        if self.state == "talking":
            self.mouth.feed(block)

    def heard(self, seconds: float) -> Int16:
        """The last seconds that this ear heard while off hook, int16."""
        return self.ear.heard(seconds)

    def listen(self) -> Int16:
        """What the ear heard in the last tick, int16 [160]; silence when on hook."""
        return self.ear.listen()

    @property
    def pending(self) -> bool:
        """Something queued is still to be said or pressed."""
        return self.mouth.pending

    # ------------------------------------------------------ for the exchange
    def ring(self, line: ExchangeLine, t: int) -> bool:
        """The box calls; False when engaged."""
        if self.state != "idle":
            return False
        self.line = line
        self.mouth.clear()
        self._office.awake(self)
        self.state = "ringing"
        if self.behaviour == "answer":
            self._timers.at(t + samples_of_s(self.script.answer_after_s), line.party_answers)
        return True

    def connected(self, line: ExchangeLine, t: int) -> None:
        """The talk path is there."""
        called = self.state == "ringing"
        self._timers.cancel()
        self.line = line
        self.state = "talking"
        self._tone = None
        if called and self.behaviour == "answer":
            for samples in self.script.say:
                self.mouth.say(samples)
            if self.script.press:
                self.mouth.press(self.script.press)
            if self.script.hang_up_after_s is not None:
                self._timers.at(t + samples_of_s(self.script.hang_up_after_s), self._hang_up)

    def released(self, t: int) -> None:
        """The box has let go."""
        self._timers.cancel()
        self.line = None
        self.mouth.clear()
        if self.state == "ringing":
            self._go_idle()
            return
        self._set("released", "busy", t)
        if self.behaviour == "answer":
            self._timers.at(t + samples_of_ms(AUTO_HANG_UP_MS), self._hang_up)

    # ---------------------------------------------------------- for the tick
    @property
    def talking(self) -> bool:
        """There is a talk path."""
        return self.state == "talking"

    def hear(self, block: Int16) -> None:
        """What the line brings, int16 [BLOCK]; only while talking."""
        self.ear.hear(block)

    def speak(self, out: Float) -> None:
        """One block from the mouth into `out` [BLOCK]; only while talking."""
        self.mouth.speak(out)

    def hear_tone(self, scratch: Float) -> None:
        """The exchange's tone for this telephone in the next block."""
        if self._tone is None:
            self.ear.deaf()
            return
        self._tone.fill(scratch, self._world.clock)
        self.ear.hear(to_int16(scratch))

    def _set(self, state: str, tone: str, t: int | None = None) -> None:
        self.state = state
        self._tone = self._world.tone(tone, self._world.clock if t is None else t)

    def _hang_up(self, t: int) -> None:
        self._timers.cancel()
        self.mouth.clear()
        line, self.line = self.line, None
        self._go_idle()
        if line is not None:
            line.party_gone(t)

    def _go_idle(self) -> None:
        self.state = "idle"
        self._tone = None
        self.ear.deaf()
        self._office.asleep(self)
