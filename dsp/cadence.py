"""Whether a row of bursts and gaps is a tone of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsp.countries import Tone
from dsp.linescan import OFF, LineScan, Run

TOLERANCE = 0.17
SLACK_MS = 35.0
"""A burst may be off by 15 %; its edges are seen to within a frame or two."""
EDGE_MS = 13.0
"""A burst is seen this much longer than it is (a frame half full of tone counts), a gap shorter."""
SHARE_NEAR = 0.12
"""Signatures within this share of the best one are not told apart by frequency."""


def error(ms: float, wanted_ms: float, still_running: bool = False) -> float:
    """How far a stretch of `ms` is from `wanted_ms`: 0 exact, over 1 too far; a running one may yet grow."""
    off = ms - wanted_ms
    if off < 0 and still_running:
        return 0.0
    return abs(off) / (wanted_ms * TOLERANCE + SLACK_MS)


def cadence_error(cadence_ms: tuple[int, ...], runs: Sequence[Run], cut: bool = False) -> float:
    """How badly alternating runs (the first a burst, the last still running) keep to a cadence.

    0 is exact, over 1 is not this cadence. With `cut`, the first burst may be
    the rest of one whose beginning was not seen.
    """
    last = len(runs) - 1
    if not cadence_ms:
        return 0.0 if last == 0 else 9.0
    size = len(cadence_ms)
    best = 9.0
    for shift in range(0, size, 2):
        worst = 0.0
        for i, run in enumerate(runs):
            running = i == last or (cut and i == 0)
            ms = run.ms - EDGE_MS if i % 2 == 0 else run.ms + EDGE_MS
            worst = max(worst, error(ms, cadence_ms[(shift + i) % size], running))
            if worst > 1.0:
                break
        best = min(best, worst)
    return best


def alternating(runs: Sequence[Run], kind: int = 1) -> list[Run]:
    """The longest tail of `runs` that is bursts of `kind` and gaps in turn, starting with a burst."""
    start = len(runs)
    while start > 0 and runs[start - 1].kind in (kind, OFF):
        if start < len(runs) and (runs[start - 1].kind == OFF) == (runs[start].kind == OFF):
            break
        start -= 1
    tail = list(runs[start:])
    return tail[1:] if tail and tail[0].kind == OFF else tail


class Heard:
    """What the latest bursts and gaps of a port can be, by frequency and cadence together."""

    def __init__(self, scan: LineScan, port: int, runs: Sequence[Run]) -> None:
        self._scan = scan
        self._port = port
        self.net = scan.networks[port]
        self.runs = list(runs)
        self._shares: dict[int, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}

    def steady(self, run: Run, most_db: float) -> bool:
        """Whether the tone kept its level all through a burst (a voice does not)."""
        levels = self._scan.levels(self._port, run)
        return bool(np.median(np.abs(levels - np.median(levels))) <= most_db)

    def frequencies_fit(self, signature: int, run: Run) -> bool:
        """Whether a burst may be of this signature."""
        if run.start not in self._shares:
            self._shares[run.start] = self._scan.shares(self._port, run)[: self.net.progress]
        share = self._shares[run.start]
        return bool(share[signature] >= share.max() - SHARE_NEAR)

    def error(self, tone: Tone, signature: int, runs: Sequence[Run], cut: bool = False) -> float:
        """How badly these runs, the first a burst, keep to this tone; over 1: it is another."""
        wrong = cadence_error(tone.cadence_ms, runs, cut)
        if wrong <= 1.0 and not all(self.frequencies_fit(signature, r) for r in runs if r.kind != OFF):
            return 9.0
        return wrong

    def best(self, runs: Sequence[Run], cut: bool = False) -> dict[str, float]:
        """The tones that these runs can be, with how far each is off, the nearest first."""
        found: dict[str, float] = {}
        for tone, signature in self.net.forms:
            wrong = self.error(tone, signature, runs, cut)
            if wrong <= 1.0:
                found[tone.name] = min(wrong, found.get(tone.name, 9.0))
        return dict(sorted(found.items(), key=lambda item: item[1]))
