"""Test signals, synthesised here with nothing of the product: levels, keys, FSK, noise, lines.

Everything is float64 on the 16-bit scale, 8000 samples per second; 0 dBm0 is a sine of
peak 32768 * 10 ** (-3.14 / 20).
"""

from __future__ import annotations

import io
import math

import numpy as np
import soundfile

RATE = 8000
FULL_PEAK = 32768 * 10 ** (-3.14 / 20)
KEYPAD = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "A": (697, 1633),
    "4": (770, 1209), "5": (770, 1336), "6": (770, 1477), "B": (770, 1633),
    "7": (852, 1209), "8": (852, 1336), "9": (852, 1477), "C": (852, 1633),
    "*": (941, 1209), "0": (941, 1336), "#": (941, 1477), "D": (941, 1633),
}  # fmt: skip
ALL_KEYS = "".join(KEYPAD)


def peak(dbm0):
    return FULL_PEAK * 10 ** (dbm0 / 20)


def rms(dbm0):
    return peak(dbm0) / math.sqrt(2)


def silence(ms):
    return np.zeros(round(ms * RATE / 1000))


def tone(hz, ms, dbm0, phase=0.0):
    n = round(ms * RATE / 1000)
    return peak(dbm0) * np.cos(2 * np.pi * hz / RATE * np.arange(n) + phase)


def key(digit, ms, low_dbm0=-10.0, high_dbm0=None, low_off=0.0, high_off=0.0, phase=0.0):
    """One key: levels per tone, offsets as fractions of the frequencies."""
    low, high = KEYPAD[digit]
    high_dbm0 = low_dbm0 if high_dbm0 is None else high_dbm0
    return tone(low * (1 + low_off), ms, low_dbm0, phase) + tone(
        high * (1 + high_off), ms, high_dbm0, 2 * phase
    )


def keys(digits, on_ms=40, off_ms=40, rng=None, lead_ms=40, **shape):
    """Keys one after the other, each with its own phase."""
    rng = rng or np.random.default_rng(1)
    parts = [silence(lead_ms)]
    for digit in digits:
        parts += [key(digit, on_ms, phase=rng.uniform(0, 2 * np.pi), **shape), silence(off_ms)]
    return np.concatenate([*parts, silence(60)])


def through_gsm(x):
    """As it comes out of GSM's full-rate coder (06.10), the harshest of those of mobile phones."""
    coded = io.BytesIO()
    whole = np.clip(np.rint(x), -32768, 32767).astype(np.int16)
    soundfile.write(coded, whole, RATE, format="WAV", subtype="GSM610")
    coded.seek(0)
    return soundfile.read(coded, dtype="int16")[0].astype(float)


def echoed(x, late_ms, down_db):
    """With an echo so many ms late and dB down."""
    late = round(late_ms * RATE / 1000)
    echo = np.concatenate([np.zeros(late), x])
    return np.concatenate([x, np.zeros(late)]) + echo * 10 ** (-down_db / 20)


def noise(n, dbm0, rng):
    """White over 0-4 kHz."""
    return rng.normal(size=n) * rms(dbm0)


def brown_noise(n, dbm0, rng, lowest_hz=40.0):
    """As in a car: 6 dB less per octave from `lowest_hz` up to 3 kHz, less beside."""
    bins = np.fft.rfft(np.cumsum(rng.normal(size=n)))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 1e-3)
    x = np.fft.irfft(bins / np.sqrt(1 + (lowest_hz / hz) ** 8 + (hz / 3000) ** 16), n)
    return x * rms(dbm0) / np.sqrt(np.mean(x**2))


def pcm(x):
    """What a 16-bit converter makes of it."""
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def row(x, n=None):
    """One port's samples as [1, n] float32."""
    return np.asarray(x, np.float32)[None, :]


# ------------------------------------------------------------------ caller ID
BELL202 = (1200.0, 2200.0)
V23 = (1300.0, 2100.0)


def parameter(kind, value):
    return bytes([kind, len(value)]) + value


def frame(kind, body, wrong=0):
    raw = bytes([kind, len(body)]) + body
    return raw + bytes([(256 - sum(raw) + wrong) % 256])


def sdmf(number, stamp="11212305", wrong=0):
    return frame(0x04, stamp.encode() + number.encode(), wrong)


def mdmf(number, name=b"", stamp="11212305", wrong=0):
    body = parameter(1, stamp.encode()) + parameter(2, number.encode())
    return frame(0x80, body + (parameter(7, name) if name else b""), wrong)


def fsk(
    octets, tones=BELL202, mark_dbm0=-13.5, space_dbm0=None, clock=1.0, seizure=300, marks=180, gap_bits=0
):
    """A frame as continuous-phase FSK, bit by bit at 80 kHz, then every tenth sample."""
    space_dbm0 = mark_dbm0 if space_dbm0 is None else space_dbm0
    bits = [i % 2 for i in range(seizure)] + [1] * marks
    for octet in octets:
        bits += [0] + [octet >> i & 1 for i in range(8)] + [1] * (1 + gap_bits)
    bits += [1] * 3
    fine = 80_000
    count = int(len(bits) / (1200 * clock) * fine)
    index = np.minimum((np.arange(count) / fine * 1200 * clock).astype(int), len(bits) - 1)
    bit = np.array(bits)[index]
    hz = np.where(bit == 1, tones[0], tones[1])
    phase = 2 * np.pi * np.cumsum(hz) / fine
    x = np.where(bit == 1, peak(mark_dbm0), peak(space_dbm0)) * np.sin(phase)
    return x[::10]
