"""Plain, slow reference receivers, written for these tests alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

RATE_HZ = 8000
PEAK_0DBM0 = 22827.0


def level_dbm0(samples: np.ndarray) -> float:
    """Level of any signal: its root mean square against that of a 0 dBm0 sine."""
    rms = float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))
    return 20 * np.log10(max(rms, 1e-9) / (PEAK_0DBM0 / np.sqrt(2)))


def tone_dbm0(samples: np.ndarray, hz: float) -> float:
    """Level of the part of the signal at one frequency."""
    n = np.arange(samples.size)
    window = np.hanning(samples.size)
    peak = 2 * abs(np.sum(samples * window * np.exp(-2j * np.pi * hz * n / RATE_HZ))) / window.sum()
    return 20 * np.log10(max(peak, 1e-9) / PEAK_0DBM0)


def sound_segments_ms(samples: np.ndarray, threshold: float = 500.0) -> list[tuple[bool, float]]:
    """(sounds?, length in ms), resolved to 10 ms, from the envelope."""
    frames = np.abs(samples[: samples.size // 80 * 80].astype(np.float64)).reshape(-1, 80).max(axis=1)
    on = frames > threshold
    edges = np.flatnonzero(np.diff(on.astype(int))) + 1
    bounds = [0, *edges.tolist(), on.size]
    return [(bool(on[a]), (b - a) * 10.0) for a, b in pairwise(bounds)]


def fsk_octets(samples: np.ndarray, mark_hz: float, space_hz: float) -> bytes:
    """Octets of a 1200 bit/s burst: two correlators one bit long, start-stop framing."""
    spectrum = np.fft.fft(samples.astype(np.float64))
    spectrum[samples.size // 2 :] = 0  # positive frequencies only, so that images do not beat
    x = np.fft.ifft(spectrum)
    n = np.arange(x.size)
    bit = RATE_HZ / 1200
    kernel = np.ones(7)

    def power(hz: float) -> np.ndarray:
        return np.abs(np.convolve(x * np.exp(-2j * np.pi * hz * n / RATE_HZ), kernel, "same"))

    mark, space = power(mark_hz), power(space_hz)
    alive = (mark + space) > 0.1 * (mark + space).max()
    ones = mark > space
    # The message begins after a long steady mark: 80 bits at least.
    run, begin = 0, None
    for i in range(x.size):
        run = run + 1 if alive[i] and ones[i] else 0
        if run >= 80 * bit:
            begin = i
            break
    if begin is None:
        return b""
    octets: list[int] = []
    i = begin
    while len(octets) < 2 or len(octets) < octets[1] + 3:
        while i < x.size and alive[i] and ones[i]:
            i += 1
        middle = i + bit / 2
        if i >= x.size or not alive[i] or int(middle + 9 * bit) >= x.size:
            break
        bits = [bool(ones[int(middle + k * bit)]) for k in range(10)]
        assert not bits[0], "start bit must be space"
        assert bits[9], "stop bit must be mark"
        octets.append(sum(1 << k for k in range(8) if bits[1 + k]))
        i = int(middle + 9 * bit)
    return bytes(octets)


def mdmf(message: bytes) -> dict[int, bytes]:
    """Parameters of a multiple-data message; checks type, length and checksum."""
    assert message[0] == 0x80
    length = message[1]
    whole = message[: length + 3]
    assert len(whole) == length + 3
    assert sum(whole) % 256 == 0, "checksum"
    found, at = {}, 2
    while at < 2 + length:
        kind, size = whole[at], whole[at + 1]
        found[kind] = whole[at + 2 : at + 2 + size]
        at += 2 + size
    return found


_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)


def dtmf_keys(samples: np.ndarray) -> str:
    """Keys, each read from the middle of one piece of sound."""
    keys, at = "", 0
    for sounds, length_ms in sound_segments_ms(samples):
        count = int(length_ms * 8)
        if sounds and length_ms >= 40:
            middle = samples[at + count // 4 : at + 3 * count // 4]
            row = max(range(4), key=lambda i: tone_dbm0(middle, _ROWS[i]))
            column = max(range(4), key=lambda i: tone_dbm0(middle, _COLUMNS[i]))
            keys += ("123A", "456B", "789C", "*0#D")[row][column]
        at += count
    return keys
