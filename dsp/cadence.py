"""Whether a row of bursts and gaps is a tone of the network."""

from __future__ import annotations

from collections.abc import Sequence

from dsp.countries import Tone
from dsp.linescan import OFF, Network, Run

TOLERANCE = 0.17
SLACK_MS = 35.0
"""A burst may be off by 15 %; its edges are seen to within a frame or two."""
SHARE_NEAR = 0.12
"""Signatures within this share of the best one are not told apart by frequency."""


def fits(ms: float, wanted_ms: float, still_running: bool = False) -> bool:
    """Whether a stretch of `ms` can be one of `wanted_ms`; one that still runs may yet grow."""
    slack = wanted_ms * TOLERANCE + SLACK_MS
    return ms <= wanted_ms + slack and (still_running or ms >= wanted_ms - slack)


def cadence_fits(cadence_ms: tuple[int, ...], runs: Sequence[Run]) -> bool:
    """Whether alternating runs (the first a burst, the last still running) can be this cadence."""
    if not cadence_ms:
        return len(runs) == 1
    size = len(cadence_ms)
    last = len(runs) - 1
    return any(
        all(fits(run.ms, cadence_ms[(shift + i) % size], i == last) for i, run in enumerate(runs))
        for shift in range(0, size, 2)
    )


def frequencies_fit(signature: int, run: Run) -> bool:
    """Whether a burst may be of this signature."""
    if run.share is None:
        return True
    return bool(run.share[signature] >= run.share.max() - SHARE_NEAR)


def tone_fits(net: Network, tone: Tone, runs: Sequence[Run]) -> bool:
    """Whether these alternating runs, the first a burst, can be this tone: frequencies and cadence."""
    signature = net.signature_of[tone.name]
    return cadence_fits(tone.cadence_ms, runs) and all(
        frequencies_fit(signature, run) for run in runs if run.kind != OFF
    )


def alternating(runs: Sequence[Run], kind: int = 1) -> list[Run]:
    """The longest tail of `runs` that is bursts of `kind` and gaps in turn, starting with a burst."""
    start = len(runs)
    while start > 0 and runs[start - 1].kind in (kind, OFF):
        start -= 1
        if start + 1 < len(runs) and (runs[start].kind == OFF) == (runs[start + 1].kind == OFF):
            start += 1
            break
    tail = list(runs[start:])
    return tail[1:] if tail and tail[0].kind == OFF else tail
