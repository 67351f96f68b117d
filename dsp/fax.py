"""Fax tones: is this call a fax machine?

A calling machine sends CNG, 1100 ± 38 Hz for 0.5 s every 3.5 s; an answering
one sends CED, 2100 ± 15 Hz for 2.6 to 4 s (T.30). A modem's answer tone is CED
whose phase turns over every 450 ms (V.25 ANS with reversals, V.8 ANSam).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ
from dsp.linescan import FRAME_MS, HOP, OFF, SPECIAL, Frame, LineScan

KINDS = {name: i + 2 for i, (name, _, _) in enumerate(SPECIAL)}
CNG_MS = (425.0, 575.0)
"""500 ± 15 % ms (T.30)."""
CNG_APART_MS = (2950.0, 4050.0)
"""From one to the next: 0.5 s and 3 s, each ± 15 % (T.30), and a frame at either edge."""
CED_MS = 500.0
"""Reported when it has lasted this long."""
REVERSAL_MS = (400.0, 500.0)
CED_HZ = 2100.0
TURNED_RAD = 2.2


@dataclass(frozen=True)
class FaxTone:
    """A fax or modem was heard on a port.

    `tone`: "fax-cng" (a fax calls us), "fax-ced" (a fax has answered) or
    "modem" (CED with phase reversals). `start_samples`: where the burst began;
    `at_samples`: when it was decided. `bursts`: calling tones so far, told for the first and, when the
    next one comes in its time, once more for the second.
    """

    port: int
    tone: str
    start_samples: int
    at_samples: int
    bursts: int = 1


class FaxDetector:
    """Watches all ports at once for fax tones; each tone is told once per call."""

    def __init__(self, ports: int, country: str = "CN", scan: LineScan | None = None) -> None:
        self.ports = ports
        self.scan = scan or LineScan(ports, country)
        self._told: list[set[tuple[str, int]]] = [set() for _ in range(ports)]
        self._cng = [-1] * ports
        """Frame in which the last calling tone began; -1: none yet."""
        self._phase = np.zeros((2, ports))
        self._turned_at = np.full(ports, -1, np.int64)
        t = np.arange(HOP) / SAMPLE_RATE_HZ
        self._probe = np.exp(-2j * np.pi * CED_HZ * t)

    def reset(self, ports: Sequence[int]) -> None:
        """A new call begins on these ports."""
        self.scan.reset(ports)
        for port in ports:
            self._told[port].clear()
            self._cng[port] = -1
            self._turned_at[port] = -1

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[FaxTone]:
        """Take a block `[P, n]` of samples on the 16-bit scale; fax tones recognised in it."""
        found: list[FaxTone] = []
        for frame in self.scan.process(x, active):
            found += self.process_frame(frame)
        return found

    def process_frame(self, frame: Frame) -> list[FaxTone]:
        """The same, from a frame of a scan that several detectors share."""
        found: list[FaxTone] = []
        for port in frame.changed:
            runs = self.scan.runs[port]
            if runs[-1].kind == OFF and len(runs) > 1 and runs[-2].kind == KINDS["fax-cng"]:
                burst = runs[-2]
                if CNG_MS[0] <= burst.ms <= CNG_MS[1]:
                    self._tell(found, port, "fax-cng", burst.start, frame)
                    apart_ms = (burst.start - self._cng[port]) * FRAME_MS
                    if self._cng[port] >= 0 and CNG_APART_MS[0] <= apart_ms <= CNG_APART_MS[1]:
                        self._tell(found, port, "fax-cng", burst.start, frame, 2)
                    self._cng[port] = burst.start
        for port in (frame.kind == KINDS["fax-ced"]).nonzero()[0].tolist():
            run = self.scan.runs[port][-1]
            age_ms = (self.scan.number - run.start) * HOP * 1000 / SAMPLE_RATE_HZ
            if self._reversal(port, frame.number):
                self._tell(found, port, "modem", run.start, frame)
            if age_ms >= CED_MS:
                self._tell(found, port, "fax-ced", run.start, frame)
        return found

    def _tell(
        self, found: list[FaxTone], port: int, tone: str, start: int, frame: Frame, bursts: int = 1
    ) -> None:
        if (tone, bursts) not in self._told[port]:
            self._told[port].add((tone, bursts))
            found.append(FaxTone(port, tone, start * HOP, frame.end_samples, bursts))

    def _reversal(self, port: int, number: int) -> bool:
        """Whether the phase has turned over twice, 450 ms apart (a frame is 42 whole periods)."""
        phase = float(np.angle(self.scan.framer.window[port, -HOP:] @ self._probe))
        # against the frame before the last: the last one may hold both phases
        step = abs((phase - self._phase[0, port] + np.pi) % (2 * np.pi) - np.pi)
        self._phase[0, port] = self._phase[1, port]
        self._phase[1, port] = phase
        if step < TURNED_RAD or 0 <= number - self._turned_at[port] <= 2:
            return False
        since_ms = (number - self._turned_at[port]) * HOP * 1000 / SAMPLE_RATE_HZ
        known = self._turned_at[port] >= 0
        self._turned_at[port] = number
        return bool(known and REVERSAL_MS[0] <= since_ms <= REVERSAL_MS[1])
