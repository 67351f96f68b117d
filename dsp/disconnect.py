"""The far side has hung up: the exchange's disconnect tone, told from everything that is not one.

Busy or congestion tone ends a call when the third burst of its cadence is over
(two whole cycles and a burst, so within three cycles), and only when every
burst had the tone's frequencies and the same level. Dial tone ends a call when
it comes back after somebody has been heard, and lasts.

Where a country's busy and congestion tone are the same, the reason is busy.
Where the gap after the third burst is what tells them apart (Spain), it is waited for; when a
voice hides how long it is, the likelier of the two is the reason.

`at_samples`, and `hangup_s` of a recording, is the moment of this decision;
`tone_began_samples` is where the tone began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import SHORTEST_BURST, Heard, hear
from dsp.levels import SAMPLE_RATE_HZ, lingering
from dsp.linescan import HOP, OFF, Frame, LearnedTone, LineScan, Run

REASONS = {"busy": "busy", "congestion": "congestion", "unobtainable": "congestion", "learned": "learned"}
"""What a tone of the table is called as the cause of a hang-up."""
NEVER_THE_END = ("ringback", "dial")
"""Whatever may be one of these ends no call, even if it could be busy tone as well."""
JUDGED = 6
"""Three bursts and their gaps, the last one still running."""
GAP_DB = 6.0
"""In a gap the tone must be at least this much weaker than in the bursts."""
WORST_QUALITY = 8.0
"""Bursts that a voice shakes more than a tone may shake are looked at again, more closely."""
BLIP_MS = 120.0
"""A harmonic of somebody's voice may pass through the tone's frequency in a gap for so long."""
DIAL_MS = 2000.0
VOICE_FRAMES = 16
VOICE_MOVES_DB = 1.0
"""A third of a second of sound that is no tone and changes from frame to frame as noise does not: a call was
under way."""


@dataclass(frozen=True)
class Hangup:
    """The call on `port` is over. `reason`: busy, congestion, dialtone, learned."""

    port: int
    at_samples: int
    tone_began_samples: int
    reason: str


class DisconnectDetector:
    """Watches all ports at once for the tone that says the far side has gone."""

    def __init__(self, ports: int, country: str, scan: LineScan | None = None) -> None:
        self.ports = ports
        self.scan = scan or LineScan(ports, country)
        self._voice = np.zeros(ports, np.int32)
        self._last_dbm0 = np.full(ports, -99.0, np.float32)
        self._connected = np.zeros(ports, np.bool_)
        self._told = np.zeros(ports, np.bool_)
        self._undecided: list[tuple[str, int] | None] = [None] * ports
        """The likelier cause, and where the tone began, while the gap that tells two causes apart goes on."""

    def set_country(self, ports: Sequence[int], country: str, learned: LearnedTone | None = None) -> None:
        """These ports belong to a network of this country; `learned` is a disconnect tone of their own.

        Raises `UnknownCountry`.
        """
        self.scan.set_country(ports, country, learned)
        self.reset(ports)

    def connected(self, ports: Sequence[int]) -> None:
        """A call is up on these ports: dial tone from now on means that it is over."""
        self._connected[list(ports)] = True

    def reset(self, ports: Sequence[int]) -> None:
        """A new call: forget what these ports sounded like."""
        self.scan.reset(ports)
        index = list(ports)
        self._voice[index] = 0
        self._connected[index] = False
        self._told[index] = False
        for port in ports:
            self._undecided[port] = None

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[Hangup]:
        """Take a block `[P, n]` of samples on the 16-bit scale; hang-ups decided in it, one per call."""
        found: list[Hangup] = []
        for frame in self.scan.process(x, active):
            found += self.process_frame(frame)
        return found

    def process_frame(self, frame: Frame) -> list[Hangup]:
        """The same, from a frame of a scan that several detectors share."""
        moves = np.abs(frame.level_dbm0 - self._last_dbm0) > VOICE_MOVES_DB
        self._voice += (frame.kind == OFF) & (frame.level_dbm0 > -42.0) & moves
        np.copyto(self._last_dbm0, frame.level_dbm0)
        found = []
        for port in (*frame.changed, *frame.due):
            in_gap = port in frame.due and self.scan.runs[port][-1].kind == OFF
            if self._told[port] or (in_gap and self._undecided[port] is None):
                continue
            cause = self._cause(port)
            if cause is not None:
                self._told[port] = True
                found.append(Hangup(port, frame.end_samples, cause[1] * HOP, cause[0]))
        return found

    def _cause(self, port: int) -> tuple[str, int] | None:
        runs = self.scan.runs[port]
        if runs[-1].kind == 1:
            if runs[-1].ms >= DIAL_MS:
                return self._dial(port, runs[-1])
            likely = self._undecided[port]
            # The call is over whichever of the causes it is: what a voice hides of the gap need not be known.
            return None if likely is None else self._next_burst(port, runs) or likely
        if len(runs) < 2 or runs[-2].kind != 1 or not self.scan.is_clear(port, runs[-2]):
            return None
        heard = hear(self.scan, port, runs[-2])
        cause = self._ended(port, heard)
        if cause is not None or self._undecided[port] is not None:
            return cause
        # With a voice beside it a tone may look more like one of several frequencies than like itself.
        other = self._ending_signature(port, runs[-2])
        if other is None or other == heard.signature:
            return None
        return self._ended(port, hear(self.scan, port, runs[-2], other))

    def _ended(self, port: int, heard: Heard) -> tuple[str, int] | None:
        if not heard.runs or heard.runs[-1].kind != OFF:
            return None
        self._undecided[port] = None
        for tail in (heard.runs[-JUDGED:], without_blip(heard.runs)[-JUDGED:]):
            cause = self._over(port, heard, tail)
            if cause is not None or self._undecided[port] is not None:
                return cause
        return None

    def _ending_signature(self, port: int, burst: Run) -> int | None:
        """The best signature among those of the tones that end a call; None if there are none."""
        ending = self.scan.networks[port].ending
        if not ending:
            return None
        share = self.scan.shares(port, burst)
        return max(ending, key=lambda signature: float(share[signature]))

    def _next_burst(self, port: int, runs: list[Run]) -> tuple[str, int] | None:
        """The burst that has begun tells how long the gap was on which the cause depends."""
        before = next((run for run in reversed(runs[:-1]) if run.kind == 1), None)
        if before is None or not self.scan.is_clear(port, before):
            return None
        heard = hear(self.scan, port, before)
        past = [run for run in heard.runs if run.start + SHORTEST_BURST < runs[-1].start]
        if len(past) < JUDGED or past[-1].kind != OFF:
            return None
        gap = Run(OFF, past[-1].start, runs[-1].start - past[-1].start)
        return self._over(port, heard, [*past[-JUDGED:-1], gap], runs[-1])

    def _over(
        self, port: int, heard: Heard, tail: list[Run], ended: Run | None = None
    ) -> tuple[str, int] | None:
        """Whether the last three bursts and gaps are busy tone or the like, and nothing else."""
        if len(tail) < JUDGED:
            return None
        quality = heard.quality(tail)
        if quality > WORST_QUALITY or heard.gap_depth_db(tail) < GAP_DB:
            return None
        found = heard.best(tail, cut=True, ended=ended)
        ending = [name for name in found if name in REASONS]
        causes = [REASONS[name] for name in ending]
        if not causes or any(name in NEVER_THE_END for name in found):
            return None
        if quality > 1.0 and heard.quality_of_sines(tail, ending) > 1.0:
            return None
        if not heard.keeps_frequency(tail, ending):
            return None
        if ended is None and len(set(causes)) > 1 and heard.will_part(list(found)):
            self._undecided[port] = causes[0], tail[0].start
            return None
        return causes[0], tail[0].start

    def _dial(self, port: int, burst: Run) -> tuple[str, int] | None:
        """Dial tone that came back and lasts."""
        if not (self._connected[port] or self._voice[port] >= VOICE_FRAMES):
            return None
        if not self.scan.is_clear(port, burst):
            return None
        heard = hear(self.scan, port, burst)
        if not heard.runs or heard.runs[-1].kind == OFF or heard.runs[-1].ms < DIAL_MS:
            return None
        tail = heard.runs[-1:]
        found = heard.best(tail)
        if not {"dial", "special_dial", "learned"} & set(found) or "ringback" in found:
            return None
        return ("dialtone", tail[0].start) if heard.quality(tail) <= 1.0 else None


def without_blip(runs: list[Run]) -> list[Run]:
    """The runs with the newest of the very short bursts counted to the gap that it lies in."""
    for i in range(len(runs) - 2, max(len(runs) - JUDGED - 2, 1), -1):
        run = runs[i]
        if run.kind != OFF and run.ms <= BLIP_MS:
            whole = Run(OFF, runs[i - 1].start, runs[i - 1].frames + run.frames + runs[i + 1].frames)
            return [*runs[: i - 1], whole, *runs[i + 2 :]]
    return []


def hangup(samples: NDArray[np.generic], country: str) -> dict[str, float | str | None]:
    """When a recorded call `[n]` was ended by a disconnect tone: seconds of the decision, and why.

    A burst that lasts to the end of the recording is over there.
    """
    detector = DisconnectDetector(1, country)
    x = np.asarray(samples, np.float32)
    found = detector.process(lingering(x)[None, :])
    if not found:
        return {"hangup_s": None, "reason": None}
    at_samples = min(found[0].at_samples, len(x))
    return {"hangup_s": round(at_samples / SAMPLE_RATE_HZ, 3), "reason": found[0].reason}
