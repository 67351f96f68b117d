"""A key that the line sends back late and weaker: what its echo adds is taken out.

Until the echo begins only the key is heard, then both: amplitude and phase of either tone step once,
and stay until the key ends. Without that step a key is as even as any other, and a voice is not: the rest
of the receiver judges what is left as if there had been no echo.

    key       ___/~~~~~~~~~~~~~~~~~~~~~\\_________
    echo      _________/~~~~~~~~~~~~~~~~~~~~~\\___
                       ^ since

Source: Q.24 (AT&T), echoes up to 20 ms late and at least 10 dB down.
"""

from __future__ import annotations

import numpy as np

from dsp.dtmf_bank import Bools, Floats
from dsp.dtmf_look import CENTRE_HZ, HISTORY_SAMPLES, STEP_SAMPLES, Spectrum, step_response
from dsp.levels import SAMPLE_RATE_HZ, Samples

_EARLIEST_SAMPLES, _LATEST_SAMPLES = 24.0, 280.0
"""How late an echo is; an earlier one is over before the inside of the key begins."""
_RIM_SAMPLES = 24.0
"""A step so near the end of a key cannot be told from the end."""
_GRID_SAMPLES = 8.0
_MOST_SHARE = 10.0 ** (-8.0 / 20.0)
"""10 dB down, and 2 dB for what noise does to that."""
_MOST_LEFT, _LEAST_LEFT = 0.25, 0.0025
"""One step for both tones explains all that either moves but so much of it, or of the tone's own power."""
_HOPELESS = 0.6
"""Where neither tone is explained better than that to begin with, it is not worth while to go on."""
_LEAST_STEPS = 6
_ROUNDS = 3
_RADIANS_PER_HZ = 2 * np.pi / SAMPLE_RATE_HZ
_PLACE = np.arange(HISTORY_SAMPLES // STEP_SAMPLES) * float(STEP_SAMPLES)


def without_echo(
    history: Samples, wave: Spectrum, inside: Bools, pair: int, hz: Floats, run: tuple[float, float]
) -> Samples | None:
    """One port's history [HISTORY_SAMPLES] without the echo of a key; None where that is none.

    `wave` [2, STEPS] are the envelopes of the pair's tones, `inside` [STEPS] the steps of them that count,
    `hz` [2] about the tones' frequencies, `run` from where to where they sound, in samples.
    """
    start, end = run
    place = _PLACE[inside]
    since = np.arange(
        start + _EARLIEST_SAMPLES, min(start + _LATEST_SAMPLES, end - _RIM_SAMPLES), _GRID_SAMPLES
    )
    if len(place) < _LEAST_STEPS or not len(since):
        return None
    steps = step_response(place - since[:, None])
    means = steps.mean(1)
    steps -= means[:, None]
    squares = np.vecdot(steps, steps) + 1e-3
    away = place - place.mean()
    tones_hz, off = hz.astype(float), np.zeros(2)
    for _ in range(_ROUNDS):
        tones_hz += off / _RADIANS_PER_HZ
        z = wave[:, inside] * np.exp(1j * _RADIANS_PER_HZ * (CENTRE_HZ[pair] - tones_hz)[:, None] * place)
        total, mean = np.vecdot(z, z).real, z.mean(1)
        moved = total - len(place) * np.abs(mean) ** 2
        # Of all places of a step the one that explains most of both tones.
        added = z @ steps.T / squares
        explained = np.abs(added) ** 2 * squares
        at = int((explained / total[:, None]).sum(0).argmax())
        left = moved - explained[:, at]
        if (left > _HOPELESS * moved).all():
            return None
        echo = added[:, at]
        model = mean[:, None] + echo[:, None] * steps[at]
        # What a tone's frequency is off yet moves it by so many times `drift`.
        drift = 1j * away * model
        drift -= drift.mean(1)[:, None] + (drift @ steps[at] / squares[at])[:, None] * steps[at]
        off = np.vecdot(drift, z - model).real / (np.vecdot(drift, drift).real + 1e-9)
    key = mean - echo * means[at]
    if (np.abs(echo) > _MOST_SHARE * np.abs(key)).any() or (
        left > np.maximum(_MOST_LEFT * moved, _LEAST_LEFT * total)
    ).any():
        return None
    first, last = int(since[at]), int(min(end + since[at] - start, HISTORY_SAMPLES))
    turn = np.exp(1j * _RADIANS_PER_HZ * tones_hz[:, None] * np.arange(first, last))
    cleared = history.copy()
    cleared[first:last] -= (echo[:, None] * turn).real.sum(0)
    return cleared
