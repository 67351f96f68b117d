"""What tests of two crystals measure: clicks and delay of a steady tone."""

import numpy as np

PEAK = 10000


def tone(hz, at, count, peak=PEAK):
    """Samples int16 of a tone from sample number `at` on."""
    return np.rint(peak * np.sin(2 * np.pi * hz * (at + np.arange(count)) / 8000)).astype(np.int16)


def phases(samples, hz):
    """Phase of a tone (in turns, unwrapped) each 100 ms, its samples counted at 8000 per second."""
    count = len(samples) // 800
    turn = np.exp(-2j * np.pi * hz * np.arange(count * 800) / 8000)
    return np.unwrap(np.angle((samples[: count * 800] * turn).reshape(count, 800).sum(axis=1))) / (2 * np.pi)


def worst_click(samples, hz):
    """Greatest deviation from a steady tone, as a share of its peak: steps show in the curvature."""
    curvature = samples[2:] - 2 * np.cos(2 * np.pi * hz / 8000) * samples[1:-1] + samples[:-2]
    return np.abs(curvature).max() / PEAK


def delays_ms(samples, hz):
    """How the delay of a tone moves, each 100 ms, from wherever it begins."""
    return -phases(samples, hz) / hz * 1000
