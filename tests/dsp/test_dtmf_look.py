"""What the DTMF receiver measures (dsp/native/keys.c), against plain definitions and known signals."""

from __future__ import annotations

import numpy as np
import pytest

from dsp import dtmf_look as look
from dsp import native
from dsp.dtmf import DtmfReceiver
from dsp.dtmf_bank import FRAME_SAMPLES, HIGH_HZ, LOW_HZ, PAIR_HZ, WINDOW
from tests.dsp import signals

N = np.arange(look.HISTORY_SAMPLES)
BRIDGE_SAMPLES = 120.0
PAIR = 6
"""770 and 1477 Hz."""
LANES = (4, 8) if native.library().library_wide() else (4,)


@pytest.fixture(params=LANES)
def measure(request, monkeypatch):
    """Measures for three ports, in vectors of either width."""
    library = native.load(native.LIBRARIES[request.param])
    monkeypatch.setattr(look, "library", lambda: library)
    return measures(3)


def measures(ports):
    kept = look.Ports(
        np.ones(ports, bool),
        np.zeros(ports, bool),
        np.zeros(ports, np.intp),
        np.ones((ports, 2)),
        np.zeros(ports, bool),
        np.zeros(ports),
    )
    return look.Look(look.Limits(0.02 * PAIR_HZ, 240.0, 50.0, 2.8, 2.8, 40.0), kept)


def tones(start, end, peak=(3000.0, 2000.0), off=(0.0, 0.0), pair=PAIR):
    """Two tones from one sample of a history to another."""
    sounds = np.isin(N, np.arange(start, end))
    hz = PAIR_HZ[pair] * (1 + np.array(off))
    return sum(p * np.sin(2 * np.pi * f / 8000 * N + f) for p, f in zip(peak, hz, strict=True)) * sounds


def histories(*rows):
    return np.array(rows, np.float32), np.full(len(rows), PAIR, np.intp)


# --------------------------------------------------------------------- bank
def test_the_bank_passes_what_a_windowed_transform_at_each_tone_gives(measure):
    frames = np.random.default_rng(1).normal(0, 3000, (3, FRAME_SAMPLES)).astype(np.float32)
    turn = 2j * np.pi / 8000 * np.array(LOW_HZ + HIGH_HZ)[:, None] * np.arange(FRAME_SAMPLES)
    wanted = np.abs((frames * WINDOW.astype(float)) @ np.exp(-turn).T).T ** 2
    for passed in (measure.bank(frames), measure.bank_all(frames)):
        assert passed.power == pytest.approx(wanted, rel=1e-4, abs=1e-4 * wanted.max())


@pytest.mark.parametrize("pair", range(16))
def test_a_pair_is_told_from_each_other_pair(measure, pair):
    frame = tones(0, 960, (1000.0, 1000.0), pair=pair)[:FRAME_SAMPLES].astype(np.float32)
    passed = measure.bank_all(frame[None])
    assert passed.alike.all() and passed.pair[0] == pair
    power = passed.power[[pair // 4, 4 + pair % 4], 0]
    assert passed.strength[0] == pytest.approx(power.min())


@pytest.mark.parametrize(
    ("beside", "may_be"),
    [
        (0.0, True),
        (20000.0, True),  # a direct current
        (6000.0 * np.sin(2 * np.pi * 440 / 8000 * N), True),  # dial tone
        (6000.0 * np.sin(2 * np.pi * 1000 / 8000 * N), False),  # a third tone
        (2000.0 * np.sin(2 * np.pi * 941 / 8000 * N), False),  # another low tone
    ],
)
def test_what_is_loud_beside_a_pair_hides_it_unless_it_is_dial_tone(measure, beside, may_be):
    x = (tones(0, 960, (2500.0, 2500.0)) + beside)[:FRAME_SAMPLES].astype(np.float32)
    assert measure.bank_all(x[None]).alike[0] == may_be


def test_ports_that_are_not_heard_and_silence_pass_nothing_unless_a_key_is_down(measure):
    loud = tones(0, 960)[:FRAME_SAMPLES].astype(np.float32)
    kept = measure._ports
    kept.active[:] = [True, False, True]
    passed = measure.bank(np.array([loud, loud, loud * 1e-4]))
    assert passed.alike.tolist() == [True, False, False]
    assert passed.power[:, 1:].max() == 0
    kept.down[2] = True
    assert measure.bank(np.array([loud, loud, loud * 1e-4])).power[1, 2] > 0


# --------------------------------------------------------------------- look
def test_envelopes_are_the_band_around_each_tone_turned_back(measure):
    x = np.random.default_rng(2).normal(0, 3000, (9, look.HISTORY_SAMPLES)).astype(np.float32)
    pair = np.arange(9) + 5
    heard = measure.hear(x, pair, BRIDGE_SAMPLES)
    hz = np.fft.fftfreq(look.FFT, 1 / 8000)
    whole = np.fft.fft(x.astype(float), look.FFT)
    for row in range(9):
        for which, tone_hz in enumerate(PAIR_HZ[pair[row]]):
            near = np.abs(hz - tone_hz)
            shape = np.where(near < 200, np.cos(np.pi / 2 * near / 200) ** 2, 0)
            sound = np.fft.ifft(2 * whole[row] * shape)[: look.HISTORY_SAMPLES]
            centre_hz = look.CENTRE_HZ[pair[row], which]
            wanted = (sound * np.exp(-2j * np.pi * centre_hz / 8000 * N))[:: look.STEP_SAMPLES]
            assert np.abs(heard.wave[row, which] - wanted).max() < 1.0
            assert np.abs(heard.amplitude[row, which] - np.abs(wanted)).max() < 1.0


@pytest.mark.parametrize("off", [(0.0, 0.0), (0.018, -0.012), (-0.03, 0.03)])
def test_edges_peaks_and_frequencies_of_two_tones_are_found(measure, off):
    heard = measure.hear(*histories(tones(303, 811, off=off)), BRIDGE_SAMPLES)
    run = [float(part[0]) for part in heard.runs]
    assert run == pytest.approx([303, 811, 508, 0], abs=10)
    passed = np.cos(np.pi / 2 * PAIR_HZ[PAIR] * np.array(off) / 200) ** 2  # of what is off the band's middle
    assert heard.peak[0] == pytest.approx(np.array([3000, 2000]) * passed, rel=0.01)
    course, inside = measure.courses(heard, np.zeros(1, np.intp))
    assert course.hz[0] == pytest.approx(PAIR_HZ[PAIR] * (1 + np.array(off)), abs=0.05)
    assert course.off[0] == pytest.approx(max(np.abs(off)), abs=1e-4)
    assert course.wobble_rad[0] < 0.01 and course.unevenness[0] < 0.01
    steps = np.flatnonzero(inside[0]) * look.STEP_SAMPLES
    assert (steps >= run[0] + 40).all() and (steps <= run[1] - 40).all() and len(steps) >= 25


def test_the_last_run_is_meant_and_a_short_gap_is_bridged(measure):
    bridged = tones(300, 500) + tones(560, 900)
    parted = tones(100, 400) + tones(600, 900)
    heard = measure.hear(*histories(bridged, parted, np.zeros(960)), BRIDGE_SAMPLES)
    start, end, sounding, holes = heard.runs
    assert start == pytest.approx([300, 600, 0], abs=10) and end == pytest.approx([900, 900, 0], abs=10)
    assert sounding == pytest.approx([540, 300, 0], abs=20)
    assert (holes > 0).tolist() == [True, False, False]
    _, inside = measure.courses(heard, np.arange(2))
    steps = np.arange(look.STEPS) * look.STEP_SAMPLES
    assert not inside[0][(steps > 480) & (steps < 590)].any(), "nothing near the gap counts"
    assert inside[0][(steps > 350) & (steps < 450)].all() and inside[0][(steps > 620) & (steps < 840)].all()


def test_a_wobble_is_measured_as_large_as_it_is(measure):
    depth = 0.2
    sway = np.sin(2 * np.pi * 25 / 8000 * N)
    carriers = [2 * np.pi * hz / 8000 * N for hz in PAIR_HZ[PAIR]]
    phase = sum(2000 * np.sin(c + depth * sway) for c in carriers)
    loudness = sum(2000 * (1 + depth * sway) * np.sin(c) for c in carriers)
    heard = measure.hear(*histories(phase, loudness), BRIDGE_SAMPLES)
    course, _ = measure.courses(heard, np.arange(2))
    assert course.wobble_rad[0] == pytest.approx(depth / 2**0.5, rel=0.15)
    assert course.unevenness[1] == pytest.approx(depth / 2**0.5, rel=0.15)
    assert course.unevenness[0] < 0.05 and course.wobble_rad[1] < 0.05


def rest_of(measure, *rows):
    heard = measure.hear(*histories(*rows), BRIDGE_SAMPLES)
    which = np.arange(len(rows))
    course, inside = measure.courses(heard, which)
    return measure.rests(heard, which, course.hz, inside)


@pytest.mark.parametrize("span", [(300, 700), (200, 900)])
def test_what_noise_adds_to_two_tones_is_the_residue(measure, span):
    """In both sizes of transform."""
    rng, level = np.random.default_rng(3), 400.0
    rests = rest_of(measure, *(tones(*span) + rng.normal(0, level, 960) for _ in range(20)))
    # White noise above 600 Hz, against the power of both tones.
    wanted = level**2 * (3400 / 4000) / ((3000**2 + 2000**2) / 2)
    assert np.mean([rest.residue for rest in rests]) == pytest.approx(wanted, rel=0.1)
    assert np.mean([rest.noise for rest in rests]) == pytest.approx(wanted * (1 + 1.5**2) / 2, rel=0.1)
    assert all(rest.peak == pytest.approx((3000, 2000), rel=0.08) for rest in rests)
    assert all(rest.residue_crest < 16 for rest in rests)


def test_a_third_tone_and_one_in_the_bass_stand_out_where_they_are(measure):
    third = 500 * np.sin(2 * np.pi * 2000 / 8000 * N)
    bass = 500 * np.sin(2 * np.pi * 300 / 8000 * N)
    above, below, alone = rest_of(measure, tones(300, 800) + third, tones(300, 800) + bass, tones(300, 800))
    share = (500 / 2000) ** 2  # of the weaker tone's power
    assert above.residue_peak == pytest.approx(share, rel=0.1) and above.residue_crest > 50
    assert below.bass_peak == pytest.approx(share, rel=0.1) and below.residue_peak < 0.01
    assert above.bass_peak < 0.01 and alone.residue < 1e-4


def test_what_a_limiter_adds_is_told_from_a_third_tone(measure):
    clean = tones(200, 900, (3000.0, 3000.0))
    clipped = np.clip(clean, -2600, 2600)
    third = clean + 1300 * np.sin(2 * np.pi * 2600 / 8000 * N)
    limited, disturbed = rest_of(measure, clipped, third)
    assert limited.residue > 0.03 and limited.unclipped < 0.2 * limited.residue
    assert disturbed.residue > 0.03 and disturbed.unclipped > 0.8 * disturbed.residue


def test_noise_of_any_colour_is_told_from_what_has_peaks_and_gaps(measure):
    rng = np.random.default_rng(4)
    key = tones(300, 800)
    slope = np.exp(-np.abs(np.fft.fftfreq(960, 1 / 8000)) / 900)
    coloured = [7500 * np.fft.ifft(np.fft.fft(rng.normal(0, 1, 960)) * slope).real for _ in range(20)]
    white = [rng.normal(0, 1100, 960) for _ in range(20)]
    buzz = [sum(500 * np.sin(2 * np.pi * hz / 8000 * N + hz) for hz in range(140, 3500, 140))]
    burst = [2500 * np.sin(2 * np.pi * 2600 / 8000 * N) * np.exp(-((N - 500) ** 2) / 5000)]
    expected_db = 10 / np.log(10) * np.euler_gamma  # of powers that are spread as those of noise
    for beside in (coloured, white):
        rests = rest_of(measure, *(key + x for x in beside))
        assert all(rest.residue > 0.12 for rest in rests)
        assert np.mean([rest.rugged_db for rest in rests]) == pytest.approx(expected_db, abs=0.4)
        assert max(rest.rugged_db for rest in rests) < 4.6
    for beside in (buzz, burst):
        (rest,) = rest_of(measure, key + beside[0])
        assert rest.residue > 0.12 and rest.rugged_db > 5.0
    (little,) = rest_of(measure, key + buzz[0] / 4)
    assert 0 < little.residue < 0.12 and little.rugged_db == 0


@pytest.mark.parametrize("before", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("span", [(400, 800), (300, 900)])
def test_what_was_there_before_is_compared_with_what_is_left(measure, before, span):
    rng = np.random.default_rng(5)
    loudness = np.where(span[0] <= N, 600.0, 600.0 * before)
    rests = rest_of(measure, *(tones(*span) + rng.normal(0, 1, 960) * loudness for _ in range(20)))
    assert np.mean([rest.grown_db for rest in rests]) == pytest.approx(-20 * np.log10(before), abs=0.5)
    soft, early = rest_of(
        measure, tones(*span) + rng.normal(0, 60, 960), tones(100, 800) + rng.normal(0, 600, 960)
    )
    assert soft.grown_db == 0, "what is hardly anything is not compared"
    assert early.onset is None and early.grown_db == 0, "nor what was not heard"


def test_how_a_run_begins_is_told_for_each_tone(measure):
    low, high = tones(300, 800, (3000.0, 0.0)), tones(340, 800, (0.0, 2000.0))
    early = tones(100, 340, (1500.0, 0.0)) + tones(340, 800)
    late, before, unheard = rest_of(measure, low + high, early, tones(20, 800))
    assert late.onset.apart == pytest.approx(40, abs=6) and max(late.onset.lead) < 0.5
    assert before.onset.lead[0] == pytest.approx(0.5, abs=0.05) and before.onset.lead[1] < 0.05
    assert unheard.onset is None


def test_pauses_are_found_from_where_tones_were_heard_last(measure):
    x, pair = histories(tones(0, 400) + tones(480, 960), tones(0, 400) + tones(720, 960))
    peak = np.full((2, 2), (3000.0, 2000.0))
    until, over = measure.first_pauses(x, pair, peak, np.full(2, 200.0), 200.0)
    assert over.tolist() == [False, True]
    assert until == pytest.approx([960, 400], abs=10)


# -------------------------------------------------------------------- whole
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("snr_db", [None, 8.0])
def test_either_width_of_vectors_hears_the_same_keys(monkeypatch, lanes, snr_db):
    library = native.load(native.LIBRARIES[lanes])
    monkeypatch.setattr(look, "library", lambda: library)
    rng = np.random.default_rng(5)
    rows = [signals.keys(signals.ALL_KEYS, 60, 60, rng) for _ in range(5)]
    if snr_db is not None:
        rows = [x + signals.noise(len(x), -10 - snr_db, rng) for x in rows]
    heard = ["" for _ in rows]
    x = np.zeros((5, max(map(len, rows)) + 2000), np.float32)
    for row, samples in zip(x, rows, strict=True):
        row[: len(samples)] = samples
    for event in DtmfReceiver(5).process(x):
        if event.phase == "up":
            heard[event.port] += event.digit
    assert heard == [signals.ALL_KEYS] * 5
