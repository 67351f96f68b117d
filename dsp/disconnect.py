"""The far side has hung up: the exchange's disconnect tone, told from everything that is not one.

Busy or congestion tone ends a call when the third burst of its cadence is over
(two whole cycles and a burst, so within three cycles), and only when every
burst had the tone's frequencies and the same level. Dial tone ends a call when
it comes back after somebody has been heard, and lasts.

`at_samples`, and `hangup_s` of a recording, is the moment of this decision;
`tone_began_samples` is where the tone began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import alternating, tone_fits
from dsp.linescan import HOP, OFF, SAMPLE_RATE_HZ, Frame, LineScan

REASONS = ("congestion", "busy", "unobtainable")
BURSTS = 3
SAME_LEVEL_DB = 4.0
DIAL_MS = 2000.0
VOICE_FRAMES = 25
"""Half a second of sound that is no tone: a call was under way."""


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
        self._connected = np.zeros(ports, np.bool_)
        self._told = np.zeros(ports, np.bool_)

    def set_country(self, ports: Sequence[int], country: str) -> None:
        """These ports belong to a network of this country. Raises `UnknownCountry`."""
        self.scan.set_country(ports, country)
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

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[Hangup]:
        """Take a block `[P, n]` of samples on the 16-bit scale; hang-ups decided in it, one per call."""
        found: list[Hangup] = []
        for frame in self.scan.process(x, active):
            found += self.process_frame(frame)
        return found

    def process_frame(self, frame: Frame) -> list[Hangup]:
        """The same, from a frame of a scan that several detectors share."""
        self._voice += (frame.kind == OFF) & (frame.level_dbm0 > -42.0)
        found = []
        for port in (*frame.changed, *frame.due):
            if self._told[port]:
                continue
            cause = self._cause(port)
            if cause is not None:
                self._told[port] = True
                found.append(Hangup(port, frame.end_samples, cause[1] * HOP, cause[0]))
        return found

    def _cause(self, port: int) -> tuple[str, int] | None:
        runs = self.scan.runs[port]
        net = self.scan.networks[port]
        tail = alternating(runs)
        if not tail:
            return None
        if len(tail) == 1 and tail[0].ms >= DIAL_MS:
            spoken = bool(self._connected[port]) or self._voice[port] >= VOICE_FRAMES
            return ("dialtone", tail[0].start) if spoken and tone_fits(net, net.table["dial"], tail) else None
        needed = 2 * BURSTS
        if len(tail) < needed or tail[-1].kind != OFF:
            return None
        tail = tail[-needed:]
        levels = [run.level_dbm0 for run in tail[::2]]
        if max(levels) - min(levels) > SAME_LEVEL_DB:
            return None
        if tone_fits(net, net.table["ringback"], tail):
            return None
        for reason in REASONS:
            tone = net.table.get(reason)
            if tone is not None and tone_fits(net, tone, tail):
                return ("congestion" if reason == "unobtainable" else reason), tail[0].start
        return None


def hangup(samples: NDArray[np.generic], country: str) -> dict[str, float | str | None]:
    """When a recorded call `[n]` was ended by a disconnect tone: seconds of the decision, and why."""
    detector = DisconnectDetector(1, country)
    found = detector.process(np.asarray(samples, np.float32)[None, :])
    if not found:
        return {"hangup_s": None, "reason": None}
    return {"hangup_s": round(found[0].at_samples / SAMPLE_RATE_HZ, 3), "reason": found[0].reason}
