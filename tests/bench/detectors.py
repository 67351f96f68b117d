"""Figures of the DTMF and caller-ID receivers. Run: python -m tests.bench.detectors [--trials N] [--hours H].

Signals are those of tests/dsp/signals.py; talk-off hears only the judging half of the
recordings (tests/dsp/corpora.py), at several speeds. Cost is processor time of this
thread per tick of 20 ms.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

import argparse
import difflib
import time

import numpy as np

from dsp.callerid import CallerIdReceiver
from dsp.dtmf import DtmfReceiver
from tests.dsp import corpora, signals

SPEEDS = (1.0, 0.9, 1.1, 0.8, 1.2, 0.95, 1.05, 0.85, 1.15, 0.75, 1.3, 0.7, 1.4)
PORTS = 64
DTMF_CASES = {
    "nominal": {},
    "both tones +1.8 %": {"low_off": 0.018, "high_off": 0.018},
    "both tones -1.8 %": {"low_off": -0.018, "high_off": -0.018},
    "both tones +3.5 % (want 0)": {"low_off": 0.035, "high_off": 0.035},
    "both tones -3.5 % (want 0)": {"low_off": -0.035, "high_off": -0.035},
    "6 dB SNR": {"snr_db": 6},
    "high tone +8 dB": {"low_dbm0": -18, "high_dbm0": -10},
    "low tone +8 dB": {"low_dbm0": -10, "high_dbm0": -18},
    "0 dBm0 per tone, clipped": {"low_dbm0": 0},
    "-36 dBm0 per tone": {"low_dbm0": -36},
    "over 350+440 Hz at -15": {"under": (350, 440)},
    "over 450 Hz at -15": {"under": (450,)},
    "19 ms (want 0)": {"on_ms": 19, "off_ms": 60},
}
FSK_CASES = {
    "nominal": {},
    "10 dB SNR": {"snr_db": 10},
    "8 dB SNR": {"snr_db": 8},
    "-44 dBm0, 25 dB SNR": {"snr_db": 25, "mark_dbm0": -44},
    "twist +10 dB, 25 dB SNR": {"snr_db": 25, "mark_dbm0": -23, "space_dbm0": -13},
    "twist -10 dB, 25 dB SNR": {"snr_db": 25, "mark_dbm0": -13, "space_dbm0": -23},
    "clock -1 %, 25 dB SNR": {"snr_db": 25, "clock": 0.99},
    "clock +1 %, 25 dB SNR": {"snr_db": 25, "clock": 1.01},
}


def dtmf_share(rows, snr_db=None, under=(), on_ms=40, off_ms=40, **shape):
    """Percent of keys decoded, and keys too many, of `rows` times all sixteen keys twice."""
    rng = np.random.default_rng(42)
    signal, wanted = [], []
    for _ in range(rows):
        keys = "".join(rng.permutation(list(signals.ALL_KEYS * 2)))
        x = signals.keys(keys, on_ms, off_ms, rng, lead_ms=60 + rng.uniform(0, 20), **shape)
        low = shape.get("low_dbm0", -10)
        both = 10 * np.log10(10 ** (low / 10) + 10 ** (shape.get("high_dbm0", low) / 10))
        if snr_db is not None:
            x = x + signals.noise(len(x), both - snr_db, rng)
        for hz in under:
            x = x + signals.tone(hz, len(x) / 8, -15, rng.uniform(0, 6))[: len(x)]
        signal.append(signals.pcm(x))
        wanted.append(keys)
    heard = [""] * rows
    for event in DtmfReceiver(rows).process(stacked(signal)):
        heard[event.port] += event.digit if event.phase == "up" else ""
    right = sum(
        block.size
        for w, h in zip(wanted, heard, strict=True)
        for block in difflib.SequenceMatcher(None, w, h, autojunk=False).get_matching_blocks()
    )
    return 100 * right / (32 * rows), sum(map(len, heard)) - right


def fsk_share(count, standard, snr_db=None, **shape):
    """Percent of frames that arrive once and with equal contents."""
    rng = np.random.default_rng(43)
    signal, wanted = [], []
    for index in range(count):
        number = "".join(rng.choice(list("0123456789"), size=rng.integers(5, 13)))
        raw = signals.mdmf(number, b"LI WEI") if index % 2 else signals.sdmf(number)
        wave = signals.fsk(raw, standard, **shape)
        x = np.concatenate([np.zeros(rng.integers(1600, 2400)), wave, np.zeros(2000)])
        if snr_db is not None:
            x = x + rng.normal(size=len(x)) * np.sqrt(np.mean(wave**2)) * 10 ** (-snr_db / 20)
        signal.append(signals.pcm(x))
        wanted.append([(True, number, "LI WEI" if index % 2 else "")])
    heard = [[] for _ in signal]
    for message in CallerIdReceiver(count).process(stacked(signal)):
        heard[message.port].append((message.valid, message.number, message.name))
    return 100 * sum(h == w for h, w in zip(heard, wanted, strict=True)) / count


def stacked(rows):
    """Rows of any length as int16 [rows, n], a quarter of a second of silence after the longest."""
    x = np.zeros((len(rows), max(map(len, rows)) + 2000), np.int16)
    for line, row in zip(x, rows, strict=True):
        line[: len(row)] = row
    return x


def talk_off(hours):
    """Keys and frames heard in speech and music."""
    half = corpora.recordings(corpora.SPEECH, tuning=False) + corpora.recordings(corpora.MUSIC, tuning=False)
    base = corpora.in_rows(half, PORTS)
    done = keys = messages = 0
    for speed in SPEEDS:
        if done >= hours:
            break
        x = base if speed == 1.0 else corpora.faster(base, speed)
        keys += sum(event.phase == "down" for event in DtmfReceiver(PORTS).process(x))
        messages += len(CallerIdReceiver(PORTS).process(x))
        done += x.size / 8000 / 3600
    print(f"talk-off, {done:.1f} h of speech and music: {keys} keys, {messages} caller-ID messages")


def cost():
    """Processor time per tick with all ports listening to noise, and to speech."""
    rng = np.random.default_rng(44)
    speech = corpora.in_rows(corpora.recordings(corpora.SPEECH, tuning=False), PORTS)[:, : 160 * 500]
    for sound, x in (("noise", signals.noise(speech.shape, -45, rng).astype(np.float32)), ("speech", speech)):
        for receiver in (DtmfReceiver(PORTS), CallerIdReceiver(PORTS)):
            spent_ms = []
            for at in range(0, x.shape[1], 160):
                begin_s = time.thread_time()
                receiver.process(x[:, at : at + 160])
                spent_ms.append(1000 * (time.thread_time() - begin_s))
            print(
                f"tick, {PORTS} ports, {sound:6} {type(receiver).__name__:16} "
                f"mean {np.mean(spent_ms):.3f} ms ({np.mean(spent_ms) / 20:.2%} of a core), "
                f"p99 {np.percentile(spent_ms, 99):.2f} ms"
            )


def main():
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="rows of 32 keys, and frames")
    parser.add_argument("--hours", type=float, default=20.0, help="of speech and music")
    arguments = parser.parse_args()
    for name, shape in DTMF_CASES.items():
        share, extra = dtmf_share(arguments.trials, **shape)
        print(f"DTMF {name:28} {share:7.2f} % of {32 * arguments.trials}, {extra} too many")
    for name, shape in FSK_CASES.items():
        shares = [fsk_share(arguments.trials, s, **shape) for s in (signals.BELL202, signals.V23)]
        print(f"FSK  {name:28} Bell 202 {shares[0]:6.1f} %, V.23 {shares[1]:6.1f} %")
    cost()
    talk_off(arguments.hours)


if __name__ == "__main__":
    main()
