"""One key after another without a pause: what was heard of the first is taken out.

The rest of the receiver then finds the second key after what a line carries besides.

    first     ~~~~~~~~~~~~~\\________________
    second    _______________/~~~~~~~~~~~~~~
                           ^ until
"""

from __future__ import annotations

import numpy as np

from dsp.dtmf_bank import CENTRED, FRAME_SAMPLES, PAIR_HZ, WINDOW, Floats, Ints, offset_hz
from dsp.dtmf_look import HISTORY_SAMPLES
from dsp.levels import SAMPLE_RATE_HZ, Samples

_FRAMES = HISTORY_SAMPLES // FRAME_SAMPLES
_NEWEST = 3
"""The second key fills one of so many frames."""
_PIECE_SAMPLES = 80
"""Over so short a time no tone drifts from where it was fitted."""
_N = np.arange(HISTORY_SAMPLES, dtype=float)


def without_first(history: Samples, first: Ints, second: Ints) -> tuple[Samples, Floats]:
    """The history [ports, HISTORY_SAMPLES] without the first of two pairs of tones [ports].

    And until where that was heard, in samples of the history, [ports].
    """
    cleared, until = history.copy(), np.zeros(len(history))
    for row, (before, after) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        until[row] = _remove(cleared[row], before, after)
    return cleared, until


def _remove(x: Samples, first: int, second: int) -> int:
    """Take the first pair out of one port's history, in place; answer where it ended."""
    frames = x.reshape(_FRAMES, FRAME_SAMPLES)
    at, hz = _fullest(frames, first, 0)
    later, later_hz = _fullest(frames, second, _FRAMES - _NEWEST)
    if at >= later:
        return 0
    begin, end = at * FRAME_SAMPLES, (later + 1) * FRAME_SAMPLES
    until = begin + _changeover(x[begin:end].astype(float), hz, later_hz)
    for stop in range(until, 0, -_PIECE_SAMPLES):
        part = slice(max(stop - _PIECE_SAMPLES, 0), stop)
        waves = _waves(hz, _N[part])
        x[part] -= waves @ _amounts(waves, x[part])
    return until


def _fullest(frames: Samples, pair: int, since: int) -> tuple[int, Floats]:
    """The frame that a pair fills best, from number `since` on, and the frequencies it has there."""
    turn = 2 * np.pi / SAMPLE_RATE_HZ * PAIR_HZ[pair][:, None] * CENTRED
    filters = np.exp(-1j * turn) * WINDOW
    passed = frames @ filters.T
    at = since + int(np.abs(passed[since:]).min(1).argmax())
    moved = filters @ (frames[at] * CENTRED)
    off_hz = [offset_hz(float(ratio)) for ratio in (moved / (passed[at] + 1e-9)).imag]
    return at, PAIR_HZ[pair] + off_hz


def _changeover(x: Floats, hz: Floats, later_hz: Floats) -> int:
    """Where the tones that fill the first frame of `x` [n] end, before those that fill its last begin.

    Of all divisions into the first tones, silence and the later ones, the one that leaves least.
    """
    gains = []
    for tones_hz, place in ((hz, slice(0, FRAME_SAMPLES)), (later_hz, slice(-FRAME_SAMPLES, None))):
        waves = _waves(tones_hz, _N[: len(x)])
        left = x - waves @ _amounts(waves[place], x[place])
        gains.append(np.concatenate([[0.0], np.cumsum(x * x - left * left)]))
    until, since = gains[0], gains[1][-1] - gains[1]
    best = np.maximum.accumulate(until)
    return int(until[: int((best + since).argmax()) + 1].argmax())


def _waves(hz: Floats, n: Floats) -> Floats:
    """Cosines and sines of two tones at samples `n`, [len(n), 4]."""
    turn = 2 * np.pi / SAMPLE_RATE_HZ * n[:, None] * hz
    return np.concatenate([np.cos(turn), np.sin(turn)], axis=1)


def _amounts(waves: Floats, x: Samples | Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(waves, x)[0], float)
