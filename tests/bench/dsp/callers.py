"""Caller ID by FSK: the same frames to us and to spandsp, made by us and by minimodem."""

from __future__ import annotations

import time

import numpy as np

from appliance.engine.hearing import CALLER_ID_WORK
from dsp.callerid import CallerIdReceiver
from tests.bench.dsp import peers
from tests.bench.dsp.rows import Curve, percent
from tests.dsp import signals

STANDARDS = {"bell202": (signals.BELL202, peers.CLASS), "v23": (signals.V23, peers.CLIP)}
FRAMES = 100
CONDITIONS = [
    ("10 dB signal to noise", 99, {"snr_db": 10}),
    ("8 dB signal to noise", None, {"snr_db": 8}),
    ("-36 dBm0, 25 dB signal to noise", None, {"snr_db": 25, "mark_dbm0": -36}),
    ("-44 dBm0, 25 dB signal to noise", 99, {"snr_db": 25, "mark_dbm0": -44}),
    ("mark 10 dB over space", 95, {"snr_db": 25, "mark_dbm0": -13, "space_dbm0": -23}),
    ("space 10 dB over mark", 95, {"snr_db": 25, "mark_dbm0": -23, "space_dbm0": -13}),
    ("clock 1 % slow", 99, {"snr_db": 25, "clock": 0.99}),
    ("clock 1 % fast", 99, {"snr_db": 25, "clock": 1.01}),
]

DTMF_FORMS = (
    ("A…#", "A13800138000#", "13800138000", ""),
    ("A…C", "A13800138000C", "13800138000", ""),
    ("D…C", "D13800138000C", "13800138000", ""),
    ("D…#", "D02155512345#", "02155512345", ""),
    ("A…D…B…C", "A13800138000D4008001234B00C", "13800138000", ""),
    ("…#", "5551234#", "5551234", ""),
    ("B00", "B00C", "", "unavailable"),
    ("B10", "B10C", "", "withheld"),
    ("D B10", "DB10C", "", "withheld"),
    ("D1", "D1#", "", "withheld"),
)
"""How it is written, keys, and what they say."""


def frames(count, seed, snr_db=None, sender=signals.fsk, **shape):
    """Rows of one frame each: (standard, number, octets, int16 samples)."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        standard = list(STANDARDS)[index % 2]
        number = "".join(rng.choice(list("0123456789"), size=rng.integers(5, 13)))
        octets = signals.sdmf(number) if index % 4 < 2 else signals.mdmf(number, b"LI WEI")
        wave = sender(octets, STANDARDS[standard][0], **shape)
        x = np.concatenate([np.zeros(rng.integers(1600, 2400)), wave, np.zeros(4000)])
        if snr_db is not None:
            x = x + rng.normal(size=len(x)) * np.sqrt(np.mean(wave**2)) * 10 ** (-snr_db / 20)
        made.append((standard, number, octets, signals.pcm(x)))
    return made


def by_minimodem(octets, tones_hz):
    """minimodem sends the frame; what comes before it, seizure and mark, it cannot make in one piece."""
    lead = signals.fsk(b"", tones_hz)
    sent = peers.minimodem_fsk(octets, tones_hz)
    return np.concatenate([lead, sent * np.abs(lead).max() / np.abs(sent).max()])


def ours(made):
    """How many arrive once, valid, with the right number; and how many come that are wrong."""
    x = np.zeros((len(made), max(len(f[3]) for f in made)), np.int16)
    for row, frame in zip(x, made, strict=True):
        row[: len(frame[3])] = frame[3]
    heard = [[] for _ in made]
    for message in CallerIdReceiver(len(made)).process(x):
        if message.valid:
            heard[message.port].append((message.standard, message.number))
    return sum(got == [(f[0], f[1])] for got, f in zip(heard, made, strict=True))


def spandsp(made):
    return sum(
        peers.spandsp_callerid(x, STANDARDS[standard][1]) == [octets[:-1]] for standard, _, octets, x in made
    )


def at_once(lines):
    """What the most expensive tick costs (ms of processor) while all lines get a caller ID at once, as the
    engine listens; and how long after its message's end the latest of them is answered (ms of sound)."""
    made = frames(lines, 341, snr_db=20)
    stop = min(len(f[3]) for f in made)
    # every frame 4000 samples before the end: their ends coincide, the worst that can be
    x = np.array([f[3][-stop:] for f in made])
    costs_ms = []
    for _ in range(5):
        receiver = CallerIdReceiver(lines, CALLER_ID_WORK)
        receiver.process(x[:, :160])
        answers_ms, spent_ms = [], []
        for at in range(160, stop, 160):
            begin_s = time.thread_time()
            messages = receiver.process(x[:, at : at + 160])
            spent_ms.append(1000 * (time.thread_time() - begin_s))
            answers_ms += [(at + 160 - message.end_samples) / 8 for message in messages]
        if len(answers_ms) != lines:
            raise RuntimeError(f"only {len(answers_ms)} of {lines} caller IDs were heard")
        costs_ms.append(max(spent_ms))
    # of the same work five times over: what is above the middle is the machine's, not ours
    return float(np.median(costs_ms)), max(answers_ms)


def by_dtmf(reversal):
    """Share of DTMF messages before the first ring of which number and reason arrive, once: all forms, three
    levels, two speeds. reversal: the click of a reversal of polarity comes before, either way round."""
    rng = np.random.default_rng(351)
    rows, wanted = [], []
    click = 20000 * np.exp(-np.arange(400) / 60.0)
    for _, keys, number, reason in DTMF_FORMS:
        for dbm0 in (-8, -20, -30):
            for ms in (50, 70):
                for sign in (1, -1) if reversal else (0,):
                    sent = signals.keys(keys, ms, ms, rng, low_dbm0=dbm0)
                    x = np.concatenate([np.zeros(800), sign * click, np.zeros(1200), sent, np.zeros(8000)])
                    rows.append(signals.pcm(x + signals.noise(len(x), dbm0 + 3 - 25, rng)))
                    wanted.append([("dtmf", number, reason)])
    x = np.zeros((len(rows), max(map(len, rows))), np.int16)
    for row, sent in zip(x, rows, strict=True):
        row[: len(sent)] = sent
    heard = [[] for _ in rows]
    for message in CallerIdReceiver(len(rows)).process(x):
        heard[message.port].append((message.standard, message.number, message.reason))
    return float(np.mean([got == want for got, want in zip(heard, wanted, strict=True)])), len(rows)


def measure(findings):
    findings.begin("caller ID", f"frames of {FRAMES} with equal contents, Bell 202 and V.23, SDMF and MDMF")
    for i, (name, target, shape) in enumerate(CONDITIONS):
        made = frames(FRAMES, 301 + i, **shape)
        good = ours(made)
        findings.add(
            name, f"≥ {target}" if target else "-", str(good), good >= target if target else None,
            spandsp=lambda made=made: str(spandsp(made)),
        )  # fmt: skip
    try:
        made = frames(20, 321, sender=by_minimodem, snr_db=25)
    except peers.Missing as error:
        findings.add("sent by minimodem, of 20", "20", f"not measured, not installed: {error}", None)
    else:
        good = ours(made)
        findings.add(
            "sent by minimodem, of 20", "20", str(good), good == 20, spandsp=lambda: str(spandsp(made))
        )
    for reversal in (False, True):
        share, count = by_dtmf(reversal)
        findings.add(
            f"by DTMF before the ring, {'after a' if reversal else 'without'} reversal of polarity, {count} "
            f"messages of the forms {', '.join(form for form, _, _, _ in DTMF_FORMS)}, "
            "-30 … -8 dBm0 per tone, 25 dB signal to noise",
            "all", percent(share), share == 1,
        )  # fmt: skip
    lines = 16
    most_ms, latest_ms = at_once(lines)
    findings.add(
        f"{lines} lines in one moment: most expensive tick; latest answer after a message",
        "≤ 200 ms", f"{most_ms:.1f} ms; {latest_ms:.0f} ms", latest_ms <= 200,
    )  # fmt: skip
    values = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 15.0, 20.0]
    series = {"zongji": []}
    for value in values:
        made = frames(40, 331, snr_db=value)
        series["zongji"].append(100 * ours(made) / 40)
        try:
            series.setdefault("spandsp", []).append(100 * spandsp(made) / 40)
        except peers.Missing:
            series.pop("spandsp", None)
    findings.curves.append(
        Curve(
            "callerid-snr",
            "Caller ID against noise",
            "signal to noise, dB",
            "frames decoded, %",
            values,
            series,
        )
    )
