"""Lines with an echo, for tests and bench: G.168 hybrids, A-law on both crossings, speech at both ends.

Nothing of the product is used: A-law is written out from G.711 here. Sound is float64 [ports, n]
on the 16-bit scale.
"""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

import numpy as np

from tests.dsp import corpora
from tests.dsp.signals import RATE, rms

MODELS = tuple(f"D{i}" for i in range(2, 10))
BLOCK = 160
LINE_NOISE_DBM0 = -65.0


@functools.cache
def hybrids():
    """Impulse responses of G.168 Annex D, each of unit energy."""
    raw = tomllib.loads((Path(__file__).parent / "g168_hybrids.toml").read_text())
    return {name: np.array(h, float) / np.linalg.norm(h) for name, h in raw.items()}


def alaw(x):
    """Through an A-law codec and back (G.711, 13-bit segments written out)."""
    x = np.clip(x, -32767, 32767)
    magnitude = np.floor(np.abs(x) / 16)  # 0..2047
    segment = np.floor(np.log2(np.maximum(magnitude, 16) / 16)).astype(int)  # 0: 16..31 and under
    step = np.exp2(segment)
    return np.sign(x) * (np.floor(magnitude / step) + 0.5) * step * 16


@functools.cache
def _voices(tuning):
    """Prompts of half a second and more that are not the silent ones."""
    found = corpora.recordings(corpora.SPEECH, tuning)
    return [x for x in found if len(x) > RATE // 2 and np.abs(x).max() > 2000]


def speech(rows, seconds, seed, dbm0=-15.0, tuning=False):
    """Prompts one after the other with short pauses; the active level is `dbm0`."""
    rng = np.random.default_rng(seed)
    voices = _voices(tuning)
    n = int(seconds * RATE)
    out = np.zeros((rows, n))
    for row in out:
        at = 0
        while at < n:
            said = voices[rng.integers(len(voices))].astype(float)
            loud = np.flatnonzero(np.abs(said) > 100)
            said = said[loud[0] : loud[-1]][: n - at]
            row[at : at + len(said)] = said
            at += len(said) + rng.integers(RATE // 20, RATE * 3 // 10)
        row *= rms(dbm0) / np.sqrt(np.mean(row[np.abs(row) > 200] ** 2))
    return np.clip(out, -32000, 32000)


def noise(rows, n, seed, dbm0=LINE_NOISE_DBM0):
    return np.random.default_rng(seed).normal(size=(rows, n)) * rms(dbm0)


def echo_of(far, paths):
    """What each path makes of what is sent."""
    n = far.shape[1]
    size = 1 << (n + 1024 - 1).bit_length()
    spectra = np.fft.rfft(far, size) * np.stack([np.fft.rfft(path, size) for path in paths])
    return np.fft.irfft(spectra, size)[:, :n]


def path(model, erl_db, delay_samples=0):
    """A hybrid behind a line that delays, scaled to an echo return loss."""
    return np.concatenate([np.zeros(delay_samples), hybrids()[model] * 10 ** (-erl_db / 20)])


def cancel(canceller, far, near):
    """Tick by tick, [ports, n]; n is cut to whole ticks."""
    far, near = far.astype(np.float32), near.astype(np.float32)
    ticks = far.shape[1] // BLOCK
    parts = [
        canceller.process(far[:, i : i + BLOCK].copy(), near[:, i : i + BLOCK].copy())
        for i in range(0, ticks * BLOCK, BLOCK)
    ]
    return np.concatenate(parts, axis=1).astype(float)


def gain_db(before, after):
    """How much less power there is, per row."""
    return 10 * np.log10(((before**2).mean(1) + 1e-3) / ((after**2).mean(1) + 1e-3))


def by_second(before, after):
    """`gain_db` of each second, [rows, seconds]."""
    seconds = before.shape[1] // RATE
    cut = [slice(i * RATE, (i + 1) * RATE) for i in range(seconds)]
    return np.stack([gain_db(before[:, c], after[:, c]) for c in cut], axis=1)
