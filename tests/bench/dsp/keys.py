"""DTMF, the same keys to everybody: procedures of Q.24, ES 201 235-3 and Bellcore."""

from __future__ import annotations

import functools
import time

import numpy as np

from dsp.dtmf import DtmfReceiver
from dsp.dtmf_plans import PLANS
from dsp.echo import EchoCanceller
from tests.bench.dsp import peers
from tests.bench.dsp.rows import Curve, percent
from tests.dsp import corpora, echo_lines, signals

RECEIVERS = {"spandsp": peers.spandsp_dtmf, "multimon-ng": peers.multimon_dtmf}
DIAL_TONES_HZ = [(350, 440), (425,), (450,), (400,), (440, 480), (400, 450)]


def dialled(rows, seed, repeat=1, snr_db=None, dial_hz=None, **shape):
    """Rows of all sixteen keys in random order: float64 [rows][n] as int16 would hold them, and the keys."""
    rng = np.random.default_rng(seed)
    samples, wanted = [], []
    for _ in range(rows):
        order = "".join(rng.permutation(list(signals.ALL_KEYS * repeat)))
        x = signals.keys(order, rng=rng, lead_ms=60 + rng.uniform(0, 20), **shape)
        low = shape.get("low_dbm0", -10.0)
        high = shape.get("high_dbm0", low)
        if snr_db is not None:
            x = x + signals.noise(len(x), 10 * np.log10(10 ** (low / 10) + 10 ** (high / 10)) - snr_db, rng)
        for hz in dial_hz or ():
            x = x + signals.tone(hz, len(x) / 8 + 1, -15, rng.uniform(0, 6))[: len(x)]
        samples.append(np.concatenate([x, np.zeros(2000)]))
        wanted.append(order)
    return samples, wanted


def ours(rows, plan="china"):
    """Keys per row, all rows at once."""
    x = np.zeros((len(rows), max(map(len, rows))), np.float32)
    for row, samples in zip(x, rows, strict=True):
        row[: len(samples)] = signals.pcm(samples)
    heard = [""] * len(rows)
    for event in DtmfReceiver(len(rows), plan).process(x):
        if event.phase == "up":
            heard[event.port] += event.digit
    return heard


def right(heard, wanted):
    """Share of the keys that came, in order; a key too many takes one away."""
    good = total = 0
    for got, keys in zip(heard, wanted, strict=True):
        # The longest common subsequence.
        best = [0] * (len(got) + 1)
        for key in keys:
            before = best[:]
            for i, have in enumerate(got):
                best[i + 1] = before[i] + 1 if key == have else max(best[i], before[i + 1])
        good += max(best[-1] - max(len(got) - len(keys), 0), 0)
        total += len(keys)
    return good / total


def everybody(rows, wanted):
    """Functions that answer each peer's share as text."""
    return {
        name: lambda hear=hear: percent(right([hear(x) for x in rows], wanted))
        for name, hear in RECEIVERS.items()
    }


def offset_rows(percent_off, rows, seed):
    samples, wanted = [], []
    for i, (low, high) in enumerate([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
        x, keys = dialled(rows, seed + i, low_off=percent_off / 100 * low, high_off=percent_off / 100 * high)
        samples += x
        wanted += keys
    return samples, wanted


def measure(findings):
    findings.begin("DTMF", "share of keys decoded, a false key takes one away")
    rows, wanted = offset_rows(1.8, 8, 101)
    share = right(ours(rows), wanted)
    findings.add(
        "both tones off by 1.8 %", "≥ 99.9 %", percent(share), share >= 0.999, **everybody(rows, wanted)
    )
    rows, wanted = offset_rows(3.5, 8, 111)
    share = right(ours(rows), wanted)
    findings.add("both tones off by 3.5 %", "0 %", percent(share), share == 0, **everybody(rows, wanted))
    rows, wanted = dialled(64, 121, snr_db=6)
    share = right(ours(rows), wanted)
    findings.add(
        "6 dB signal to noise, 40/40 ms", "≥ 99 %", percent(share), share >= 0.99, **everybody(rows, wanted)
    )
    for name, low, high in (("high tone 8 dB up", -18, -10), ("low tone 8 dB up", -10, -18)):
        rows, wanted = dialled(16, 131, low_dbm0=low, high_dbm0=high)
        share = right(ours(rows), wanted)
        findings.add(f"twist: {name}", "100 %", percent(share), share == 1, **everybody(rows, wanted))
    _timing(findings)
    rows, wanted = [], []
    for i, hz in enumerate(DIAL_TONES_HZ):
        x, keys = dialled(4, 161 + i, dial_hz=hz)
        rows += x
        wanted += keys
    share = right(ours(rows), wanted)
    peers_found = everybody(rows, wanted)
    peers_found["spandsp with its dial tone filter"] = lambda: percent(
        right([peers.spandsp_dtmf(x, True) for x in rows], wanted)
    )
    findings.add("over dial tone of -15 dBm0 per tone", "100 %", percent(share), share == 1, **peers_found)
    rows, wanted = [], []
    for i, dbm0 in enumerate((0, -9, -18, -27, -36)):
        x, keys = dialled(8, 171 + i, low_dbm0=dbm0)
        rows += x
        wanted += keys
    share = right(ours(rows), wanted)
    findings.add(
        "levels 0, -9, … -36 dBm0 per tone", "100 %", percent(share), share == 1, **everybody(rows, wanted)
    )
    for on_ms in (40, 50):
        rows, wanted = dialled(16, 181 + on_ms, on_ms=on_ms, off_ms=on_ms)
        rows = [signals.echoed(x, 20, 10) for x in rows]
        share = right(ours(rows), wanted)
        what = f"echo 20 ms late, 10 dB down, {on_ms}/{on_ms} ms"
        findings.add(what, "100 %", percent(share), share == 1, **everybody(rows, wanted))
    for on_ms in (60, 100):
        rows, wanted = dialled(16, 187 + on_ms, on_ms=on_ms, off_ms=on_ms)
        rows = [signals.through_gsm(x) for x in rows]
        _row(findings, f"through GSM's full-rate coder, {on_ms}/{on_ms} ms", rows, wanted)
    _over_sound(findings)
    _over_our_own(findings)
    _cost(findings)
    _curves(findings)


def _over_sound(findings):
    """Keys of -12 dBm0 per tone pressed while somebody speaks, or in a car."""
    rng = np.random.default_rng(191)
    for under_db in (18, 13, 8):
        rows, wanted = dialled(24, 192, on_ms=80, off_ms=80, low_dbm0=-12)
        speech = echo_lines.speech(24, 4, 193 + under_db, -12 - under_db)
        rows = [x + said[: len(x)] for x, said in zip(rows, speech, strict=True)]
        _row(findings, f"over speech {under_db} dB under a tone", rows, wanted)
    for dbm0, lowest_hz in ((-16, 40), (-12, 40), (-16, 300)):
        rows, wanted = dialled(24, 194, on_ms=80, off_ms=80, low_dbm0=-12)
        rows = [x + signals.brown_noise(len(x), dbm0, rng, lowest_hz) for x in rows]
        _row(findings, f"brown noise from {lowest_hz} Hz, {-12 - dbm0} dB under a tone", rows, wanted)


def _over_our_own(findings):
    """Keys pressed while we play a prompt or music to the line, whose hybrid sends it back: heard by us as in
    the engine, through the echo canceller, which has had three seconds; by the others as the line sounds."""
    rng = np.random.default_rng(196)
    lead_s, seconds = 3, 7
    models = [(model, erl_db) for erl_db in (10, 6) for model in echo_lines.MODELS]
    paths = [echo_lines.path(model, erl_db, 40) for model, erl_db in models]
    music = np.concatenate(corpora.recordings(corpora.MUSIC, tuning=False)).astype(float)
    places = rng.integers(0, len(music) - seconds * 8000, len(paths))
    music = np.stack([music[at : at + seconds * 8000] for at in places])
    music *= signals.rms(-15) / np.sqrt((music**2).mean(1, keepdims=True))
    for what, sent in (
        ("prompts", echo_lines.speech(len(paths), seconds, 197)),
        ("music", np.clip(music, -32000, 32000)),
    ):
        sent = echo_lines.alaw(sent)
        for dbm0 in (-10, -20):
            keys, wanted = dialled(len(paths), 198, on_ms=80, off_ms=80, low_dbm0=dbm0)
            line = echo_lines.echo_of(sent, paths) + echo_lines.noise(*sent.shape, 199)
            for row, pressed in zip(line, keys, strict=True):
                row[lead_s * 8000 :][: len(pressed)] += pressed[: (seconds - lead_s) * 8000]
            line = echo_lines.alaw(line)
            cleaned = echo_lines.cancel(EchoCanceller(len(paths)), sent, line)
            share = right(ours(list(cleaned)), wanted)
            findings.add(
                f"keys of {dbm0} dBm0 per tone over {what} of -15 dBm0 that we play, G.168 hybrids, "
                "ERL 10 and 6 dB",
                "-",
                f"{percent(share)} (without the echo canceller {percent(right(ours(list(line)), wanted))})",
                None,
                **everybody(list(line), wanted),
            )


def _row(findings, what, rows, wanted):
    """A row without a target of its own."""
    findings.add(what, "-", percent(right(ours(rows), wanted)), None, **everybody(rows, wanted))


def _timing(findings):
    rng = np.random.default_rng(141)
    rows = [
        np.concatenate(
            [signals.silence(60), signals.key(k, 40), signals.silence(10), signals.key(k, 40), np.zeros(2400)]
        )
        for k in rng.permutation(list(signals.ALL_KEYS * 4))
    ]
    one = [len(heard) == 1 for heard in ours(rows)]
    peers_found = {
        name: lambda hear=hear: percent(np.mean([len(hear(x)) == 1 for x in rows]))
        for name, hear in RECEIVERS.items()
    }
    findings.add(
        "a key with a gap of 10 ms is one key", "100 %", percent(np.mean(one)), all(one), **peers_found
    )
    rows, wanted = dialled(32, 151, on_ms=40, off_ms=40)
    share = right(ours(rows), wanted)
    findings.add("40 ms on, 40 ms off", "100 %", percent(share), share == 1, **everybody(rows, wanted))
    rows, wanted = dialled(32, 152, on_ms=19, off_ms=60)
    share = right(ours(rows), wanted)
    findings.add("tones of 19 ms", "0 %", percent(share), share == 0, **everybody(rows, wanted))
    for plan in PLANS:
        _guard_times(findings, plan)


def _guard_times(findings, plan):
    """What a plan's receiver must take and must not; each gap and pause at forty places in a frame."""
    limits = PLANS[plan]
    shortest, too_short = limits.accept_tone_ms, limits.reject_tone_ms - 1
    rows, wanted = dialled(8, 153, on_ms=shortest, off_ms=limits.accept_pause_ms)
    taken = right(ours(rows, plan), wanted)
    rows, wanted = dialled(8, 154, on_ms=too_short, off_ms=60)
    refused = right(ours(rows, plan), wanted)
    kept, ended = (
        np.mean([len(heard) == keys for heard in ours(_interrupted(gap_ms), plan)])
        for gap_ms, keys in ((limits.bridge_pause_ms, 1), (limits.accept_pause_ms, 2))
    )
    findings.add(
        f"plan {plan}: tones of {shortest:g} ms; of {too_short:g} ms; a key with a gap of "
        f"{limits.bridge_pause_ms:g} ms is one; with a pause of {limits.accept_pause_ms:g} ms two",
        "100 %; 0 %; 100 %; 100 %",
        "; ".join(map(percent, (taken, refused, kept, ended))),
        (taken, refused, kept, ended) == (1, 0, 1, 1),
    )


def _interrupted(gap_ms):
    """A key held twice 100 ms, with a gap that begins a half millisecond later in each row."""
    rng = np.random.default_rng(155)
    rows = []
    for offset in range(0, 160, 4):
        x = signals.key(signals.ALL_KEYS[offset // 4 % 16], 200 + gap_ms, phase=rng.uniform(0, 6))
        x[800 : 800 + round(gap_ms * 8)] = 0
        rows.append(np.concatenate([np.zeros(480 + offset), x, np.zeros(2400)]))
    return rows


def _cost(findings):
    """64 channels of speech, alone, with a key now and then, with many; and of keys alone."""
    speech = echo_lines.speech(64, 10, 181)
    pressed = speech.copy()
    for i, row in enumerate(pressed[::4]):
        at = 8000 + 4000 * i
        row[at : at + 8000] += signals.keys("159#2580", 70, 55, lead_ms=0)[:8000]
    in_service = speech.copy()
    for i, digit in enumerate("159#258036"):  # a full box: of 64 callers one presses a key every second
        tone = signals.keys(digit, 70, 55, lead_ms=0)
        in_service[6 * i, 8000 * i + 2000 : 8000 * i + 2000 + len(tone)] += tone
    rng = np.random.default_rng(182)
    keys = [signals.keys(signals.ALL_KEYS * 5, 70, 55, rng, rng.uniform(0, 125))[:80000] for _ in speech]
    for what, x in (
        ("cost, 64 channels that talk, a key every second", in_service),
        ("cost, 64 channels that only talk", speech),
        ("cost, 64 channels that talk, 13 keys every second", pressed),
        ("cost, keys on all 64 channels", np.stack(keys) + signals.noise(speech.shape, -45, rng)),
    ):
        _cost_row(findings, what, peers.pcm(x))


def _cost_row(findings, what, x):
    DtmfReceiver(64).process(x[:, :32000])  # what is made when it is first needed
    receiver = DtmfReceiver(64)
    blocks = [np.ascontiguousarray(x[:, i : i + 160]).astype(np.float32) for i in range(0, x.shape[1], 160)]
    took_s = []
    for block in blocks:
        begin_s = time.thread_time()
        receiver.process(block)
        took_s.append(time.thread_time() - begin_s)
    share = float(np.mean(took_s)) / 0.02

    other = functools.cache(lambda: peers.spandsp_dtmf_cost(x))
    findings.add(
        f"{what}, mean",
        "≤ 0.6 % of a core",
        f"{100 * share:.2f} % (median tick {100 * np.median(took_s) / 0.02:.2f} %)",
        share <= 0.006,
        spandsp=lambda: f"{100 * other():.2f} %",
    )
    how = "0.6 % where spandsp took 0.21 %"
    findings.add_against(f"{what}, mean", "spandsp", 2.9, how, share, other)


def _curves(findings):
    plots = [
        ("dtmf-snr", "DTMF against noise, 40/40 ms", "signal to noise, dB", list(np.arange(-2, 14, 1.5)),
         lambda v: dialled(12, 201, snr_db=v)),
        ("dtmf-offset", "DTMF against frequency offset of both tones", "offset, %",
         list(np.arange(0, 4.6, 0.3)),
         lambda v: offset_rows(v, 3, 211)),
        ("dtmf-twist", "DTMF against twist", "high tone over low tone, dB", list(range(-14, 15, 2)),
         lambda v: dialled(8, 221, low_dbm0=-14 - v / 2, high_dbm0=-14 + v / 2)),
        ("dtmf-level", "DTMF against level", "level per tone, dBm0", list(range(-48, 4, 4)),
         lambda v: dialled(8, 231, low_dbm0=v)),
    ]  # fmt: skip
    for name, title, x_label, values, make in plots:
        series = {"zongji": []}
        for value in values:
            rows, wanted = make(float(value))
            series["zongji"].append(100 * right(ours(rows), wanted))
            for who, hear in RECEIVERS.items():
                try:
                    series.setdefault(who, []).append(100 * right([hear(x) for x in rows], wanted))
                except peers.Missing:
                    series.pop(who, None)
        findings.curves.append(
            Curve(name, title, x_label, "keys decoded, %", [float(v) for v in values], series)
        )
