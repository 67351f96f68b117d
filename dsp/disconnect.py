"""The far side has hung up: the exchange's disconnect tone, told from everything that is not one.

Busy or congestion tone ends a call when the third burst of its cadence is over
(two whole cycles and a burst, so within three cycles), and only when every
burst had the tone's frequencies and the same level. Dial tone ends a call when
it comes back after somebody has been heard, lasts, and goes on unchanged with
nothing beside it but noise or the echo of our own voice.

Telephones and exchanges confirm, warn and remind with two or three short beeps,
often of the network's own frequency. So a fast tone is waited for until its
fourth burst begins, and one with bursts or gaps of several lengths until a
whole cycle was heard and the next burst begins. Only a tone that was learned at
the ends of this line's own calls is known to be no beeps:

    three beeps       ▇_▇_▇_________          the call goes on
    fast busy         ▇_▇_▇_▇ over
    China, no number  ▇_▇_▇_▇▇▇▇____▇ over

Where a country's busy and congestion tone are the same, the reason is busy.

`at_samples`, and `hangup_s` of a recording, is the moment of this decision;
`tone_began_samples` is where the tone began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import FAST_MS, Heard, cadence_error, hear
from dsp.levels import SAMPLE_RATE_HZ, lingering
from dsp.linescan import FRAME_MS, HOP, OFF, Frame, LearnedTone, LineScan, Run

REASONS = {"busy": "busy", "congestion": "congestion", "unobtainable": "congestion", "learned": "learned"}
"""What a tone of the table is called as the cause of a hang-up."""
NEVER_THE_END = ("ringback", "dial")
"""Whatever may be one of these ends no call, even if it could be busy tone as well."""
JUDGED = 6
"""Three bursts and their gaps, the last one still running."""
LONGEST_GAP_MS = 2000.0
"""No tone that is waited for has a longer gap."""
GAP_DB = 6.0
"""In a gap the tone must be at least this much weaker than in the bursts."""
WORST_QUALITY = 8.0
"""Bursts that a voice shakes more than a tone may shake are looked at again, more closely."""
BLIP_MS = 120.0
"""A harmonic of somebody's voice may pass through the tone's frequency in a gap for so long."""
DIAL_MS = 2500.0
"""Notes of music that passed for a tone were over by then; dial tone lasts for many seconds."""
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
        self._awaited: dict[int, tuple[Run, int]] = {}
        """Ports whose next burst will make a tone sure: the last burst, and the signature that heard it."""

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
            self._awaited.pop(port, None)

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[Hangup]:
        """Take a block `[P, n]` of samples on the 16-bit scale; hang-ups decided in it, one per call."""
        found: list[Hangup] = []
        for frame in self.scan.process(x, active):
            found += self.process_frame(frame)
        return found

    def process_frame(self, frame: Frame) -> list[Hangup]:
        """The same, from a frame of a scan that several detectors share."""
        moves = np.abs(frame.level_dbm0 - self._last_dbm0) > VOICE_MOVES_DB
        moves &= frame.kind == OFF
        moves &= frame.level_dbm0 > -42.0
        self._voice += moves
        np.copyto(self._last_dbm0, frame.level_dbm0)
        found = []
        for port in dict.fromkeys((*frame.changed, *frame.due, *self._awaited)):
            if self._told[port]:
                continue
            cause = self._next_burst(port) if port in self._awaited else None
            if cause is None and (port in frame.changed or port in frame.due):
                cause = self._cause(port)
            if cause is not None:
                self._told[port] = True
                found.append(Hangup(port, frame.end_samples, cause[1] * HOP, cause[0]))
        return found

    def _cause(self, port: int) -> tuple[str, int] | None:
        runs = self.scan.runs[port]
        if runs[-1].kind == 1:
            return self._dial(port, runs[-1]) if runs[-1].ms >= DIAL_MS else None
        if len(runs) < 2 or runs[-2].kind != 1 or not self.scan.is_clear(port, runs[-2]):
            return None
        heard = hear(self.scan, port, runs[-2])
        cause = self._ended(port, heard)
        if cause is not None or port in self._awaited:
            return cause
        # With a voice beside it a tone may look more like one of several frequencies than like itself.
        other = self._ending_signature(port, runs[-2])
        if other is None or other == heard.signature:
            return None
        return self._ended(port, hear(self.scan, port, runs[-2], other))

    def _ended(self, port: int, heard: Heard) -> tuple[str, int] | None:
        if not heard.runs or heard.runs[-1].kind != OFF:
            return None
        self._awaited.pop(port, None)
        for runs in (heard.runs, without_blip(heard.runs)):
            cause = self._over(port, heard, runs)
            if cause is not None or port in self._awaited:
                return cause
        return None

    def _ending_signature(self, port: int, burst: Run) -> int | None:
        """The best signature among those of the tones that end a call; None if there are none."""
        ending = self.scan.networks[port].ending
        if not ending:
            return None
        share = self.scan.shares(port, burst)
        return max(ending, key=lambda signature: float(share[signature]))

    def _next_burst(self, port: int) -> tuple[str, int] | None:
        """The burst that has begun, at the right moment and as loud as those before it, makes a tone sure."""
        last, signature = self._awaited[port]
        if (self.scan.number - last.start - last.frames) * FRAME_MS > LONGEST_GAP_MS:
            del self._awaited[port]
            return None
        heard = hear(self.scan, port, last, signature)
        if not heard.begins():
            return None
        *past, begun = heard.runs
        return self._over(port, heard, past, begun) or self._over(port, heard, without_blip(past), begun)

    def _over(
        self, port: int, heard: Heard, runs: list[Run], ended: Run | None = None
    ) -> tuple[str, int] | None:
        """Whether the last bursts and gaps of `runs` are busy tone or the like, and nothing else.

        `ended`: the burst that has just begun and ended the last gap.
        """
        tail = runs[-JUDGED:]
        if len(tail) < JUDGED:
            return None
        if heard.quality(tail) > WORST_QUALITY or heard.gap_depth_db(tail) < GAP_DB:
            return None
        found = heard.best(tail, cut=True, ended=ended)
        ending = [name for name in found if name in REASONS]
        if not ending or any(name in NEVER_THE_END for name in found):
            return None
        if not _is_one_tone(heard, tail, ending):
            return None
        # A line's own tone may be of two by turns.
        if "learned" not in ending and heard.has_notes_in_gaps(tail):
            return None
        for name in ending:
            began = _sure(heard, name, runs, ended)
            if began is not None:
                return REASONS[name], began
        if ended is None:
            self._awaited[port] = runs[-2], heard.signature
        return None

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
        names = [name for name in found if name in ("dial", "special_dial", "learned")]
        if not names or "ringback" in found:
            return None
        if heard.quality(tail) > 1.0 or not heard.stands_alone(tail[0], names):
            return None
        return "dialtone", tail[0].start


def least_runs(cadence_ms: Sequence[int], runs: Sequence[Run]) -> int:
    """So many bursts and gaps, the last one still running, must be heard of a tone that ends a call.

    `runs`: the last of them, as they were heard; two cycles lie between the first and the last.
    """
    if len(cadence_ms) > 2:
        return max(len(cadence_ms) + 2, JUDGED)
    heard_ms = sum(run.ms for run in runs[-JUDGED + 1 : -1]) / 2
    return JUDGED + 2 if min(sum(cadence_ms), heard_ms) <= FAST_MS else JUDGED


def _is_one_tone(heard: Heard, tail: Sequence[Run], names: Sequence[str]) -> bool:
    """Whether all these bursts are of one unchanging tone, one of those names."""
    if heard.quality(tail) > 1.0 and heard.quality_of_sines(tail, names) > 1.0:
        return False
    return heard.keeps_frequency(tail, names)


def _sure(heard: Heard, name: str, runs: Sequence[Run], ended: Run | None) -> int | None:
    """The first frame of the tone of that name if enough of it was heard for it to be no beeps.

    Its last burst need not be over: `ended` is one that has just begun.
    """
    for known, cadence_ms, signature, _ in heard.net.forms:
        if known != name:
            continue
        least = JUDGED if name == "learned" else least_runs(cadence_ms, runs)
        if ended is not None:
            least = max(least - 2, JUDGED)
        tail = runs[-least:]
        # Of a long burst that gives a tone away, the rest is not enough.
        cut = len(tail) == JUDGED and len(cadence_ms) < JUDGED
        if len(tail) < least or heard.error(cadence_ms, signature, tail, cut) > 1.0:
            continue
        if ended is not None and cadence_error(cadence_ms, [*tail, ended], cut) > 1.0:
            continue
        # a short and a long burst are not seen alike, but none of a voice has just their lengths
        alike = len(tail) > JUDGED and len(set(cadence_ms[0::2])) == 1
        if not alike or _is_one_tone(heard, tail, [name]):
            return tail[0].start
    return None


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
