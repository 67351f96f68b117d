"""A telephone set on an FXS port: handset, keypad, hook switch with its bounce, bell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from board.sim.config import OfficeError
from board.sim.display import CallerDisplay
from board.sim.fxs import FxsPort
from board.sim.levels import BLOCK, Float, Int16, samples_of_ms
from board.sim.mouth import Ear, Mouth
from board.sim.world import World


class TelephoneSet:
    """What a person at the telephone can do, see and hear."""

    def __init__(self, world: World, index: int, port: FxsPort) -> None:
        self._world = world
        self.index = index
        """Port of the card."""
        self.port = port
        self._rng = np.random.default_rng([world.config.seed, 3, index])
        self._edges = world.timers()
        self._free_at = 0
        self.off_hook = False
        """The handset is lifted."""
        self.ring_bursts = 0
        """Bursts heard since the set was last on hook and quiet."""
        self.bell_on = False
        """The bell sounds just now."""
        self.feed_drops = 0
        """Times the feed went away."""
        self.mouth = Mouth()
        self.ear = Ear(world.config.hearing_s)
        self.display = CallerDisplay(
            world.country.fsk, "gb18030" if world.country.code == "CN" else "latin-1"
        )
        self._listening = False
        port.wire(self)

    # --------------------------------------------------------- for people
    @property
    def state(self) -> str:
        """ "off_hook", "ringing" or "idle"."""
        return "off_hook" if self.off_hook else "ringing" if self.ringing else "idle"

    @property
    def ringing(self) -> bool:
        """The box rings this telephone (between bursts too)."""
        return self.port.ringing

    def lift(self) -> None:
        """Pick the handset up; answers when ringing. Nothing happens when it is up already."""
        if not self.off_hook:
            self.off_hook = True
            # What is left of the bounce of hanging up must not open the loop again.
            self._edges.cancel()
            self._edge(True, self._world.clock)

    def hang_up(self) -> None:
        """Put the handset down, and forget what was still to be said or pressed."""
        self.mouth.clear()
        if self.off_hook:
            self.off_hook = False
            self._edges.cancel()
            self._free_at = 0
            self.ring_bursts = 0
            self.display.clear()
            self._edge(False, self._world.clock)

    def press(
        self,
        keys: str,
        on_ms: float = 80.0,
        off_ms: float = 80.0,
        level_dbm0: float = -8.0,
        twist_db: float = 0.0,
        freq_error_percent: float = 0.0,
    ) -> None:
        """Queue DTMF keys; they sound while the handset is up."""
        self._need_up("press keys")
        self.mouth.press(keys, on_ms, off_ms, level_dbm0, twist_db, freq_error_percent)

    def pulse(
        self, digits: str, break_ms: float = 60.0, make_ms: float = 40.0, gap_ms: float = 700.0
    ) -> None:
        """Dial with a rotary dial: 1-10 breaks of the loop per digit, after what is under way."""
        self._need_up("dial")
        if not digits.isascii() or not digits.isdigit():
            raise OfficeError(f"{digits!r} cannot be dialled with a rotary dial: use digits 0-9")
        if not 15 <= break_ms <= 80 or not 15 <= make_ms <= 150 or gap_ms < 250:
            raise OfficeError(
                f"{break_ms}/{make_ms} ms, gap {gap_ms} ms is no dial: breaks last 15 to 80 ms, "
                "makes 15 to 150 ms, the gap between digits at least 250 ms"
            )
        at = self._free()
        for digit in digits:
            for _ in range(int(digit) or 10):
                self._break(at, break_ms)
                at += samples_of_ms(break_ms + make_ms)
            at += samples_of_ms(gap_ms)
        self._free_at = at

    def flash(self, duration_ms: float = 100.0) -> None:
        """Break the loop for `duration_ms`, after what is under way."""
        self._need_up("flash")
        if not 10 <= duration_ms <= 10000:
            raise OfficeError(f"a flash of {duration_ms} ms is not between 10 and 10000 ms")
        at = self._free()
        self._break(at, duration_ms)
        self._free_at = at + samples_of_ms(duration_ms + 200)

    def say(self, samples: NDArray[np.int16]) -> None:
        """Queue speech, int16 at 8000 samples per second; heard while the handset is up."""
        self._need_up("say something")
        self.mouth.say(samples)

    def feed(self, block: NDArray[np.int16]) -> None:
        """One live block, int16 [160]; lost when the handset is down."""
        if self.off_hook:
            self.mouth.feed(block)

    def heard(self, seconds: float) -> Int16:
        """The last seconds heard while the handset was up, int16."""
        return self.ear.heard(seconds)

    def listen(self) -> Int16:
        """What the ear heard in the last tick, int16 [160]; silence when on hook."""
        return self.ear.listen()

    @property
    def pending(self) -> bool:
        """Something queued is still to be said, pressed or dialled."""
        return self.mouth.pending or self._free_at > self._world.clock

    # ------------------------------------------------------------ for the port
    @property
    def lamp(self) -> bool:
        """The message lamp is lit."""
        return self.port.lamp

    def ring_voltage(self, on: bool) -> None:
        """The bell sounds or stops."""
        if on and not self.bell_on:
            self.ring_bursts += 1
        self.bell_on = on

    def line_feed(self, on: bool) -> None:
        """Feed goes away or comes back."""
        if not on:
            self.feed_drops += 1

    # ---------------------------------------------------------- for the tick
    @property
    def sounding(self) -> bool:
        """The set's line carries sound, to its ear or to its display."""
        return (self.off_hook and self.port.carries) or self.port.whispers

    def speak(self, out: Float) -> None:
        """One block from the mouth into `out` [BLOCK]; on hook the mouth is cut off."""
        if self.off_hook:
            self.mouth.speak(out)
        else:
            out[:BLOCK] = 0.0

    def hear(self, block: Int16) -> None:
        """One block from the line, int16 [BLOCK]."""
        if self.off_hook:
            self._stop_listening()
            self.ear.hear(block)
            return
        if not self._listening:
            self._listening = True
            self.display.start()
        self.display.hear(block)

    def deaf(self) -> None:
        """The line has ceased to carry sound."""
        self.ear.deaf()
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self.display.stop()

    # --------------------------------------------------------------- the hook
    def _need_up(self, what: str) -> None:
        if not self.off_hook:
            raise OfficeError(f"telephone on port {self.index} cannot {what} while on hook: lift it first")

    def _free(self) -> int:
        return max(self._free_at, self._world.clock)

    def _break(self, at: int, duration_ms: float) -> None:
        self._edges.at(at, lambda due: self._edge(False, due))
        self._edges.at(at + samples_of_ms(duration_ms), lambda due: self._edge(True, due))

    def _edge(self, closed: bool, t: int) -> None:
        """Move the contact; it bounces once or twice within 1 to 5 ms."""
        self.port.edge(closed, t)
        at = t
        for _ in range(int(self._rng.integers(0, 3))):
            at += int(self._rng.integers(4, 11))
            self._edges.at(at, lambda due: self.port.edge(not closed, due))
            at += int(self._rng.integers(4, 11))
            self._edges.at(at, lambda due: self.port.edge(closed, due))
