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


def sine(peak, hz):
    return peak * np.sin(2 * np.pi * hz / 8000 * N)


@pytest.mark.parametrize(
    ("peak", "beside", "may_be"),
    [
        ((2100.0, 500.0), 0.0, False),  # 12 dB are a factor of 4
        ((1900.0, 500.0), 0.0, True),
        ((500.0, 1900.0), 0.0, True),
        ((500.0, 2100.0), 0.0, False),
        ((2000.0, 2000.0), sine(2200.0, 2600), True),  # holds over 58 % of the power, or under
        ((2000.0, 2000.0), sine(2600.0, 2600), False),
        ((30.0, 11.0), 0.0, True),  # a quarter of the lowest peak, since an edge may lie in the frame
        ((30.0, 9.0), 0.0, False),
        ((9.0, 30.0), 0.0, False),
    ],
)
def test_twist_level_and_what_is_beside_a_pair_have_limits(measure, peak, beside, may_be):
    x = (tones(0, 960, peak) + beside)[:FRAME_SAMPLES].astype(np.float32)
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


# ------------------------------------------------------------------- glance
FRAMES = look.GLANCE_FRAMES * FRAME_SAMPLES


def glance(measure, *rows, silent=10000):
    """At each port in turn, in a ring whose oldest frames are not the first; what is older is loud."""
    store = np.full((6, 3, FRAME_SAMPLES), 9000, np.float32)
    pair = np.zeros(3, np.intp)
    newest = 7
    for port, x in enumerate(rows):
        for frame in range(look.GLANCE_FRAMES):
            sound = x[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES]
            store[(newest - 3 + frame) % 6, port] = sound
        pair[port] = PAIR
    return measure.glance(store, newest, np.arange(len(rows)), pair, np.full(3, 640.0 - silent), 640)


@pytest.mark.parametrize(("start", "end"), [(210, 500), (320, 580), (300, 640), (400, 640)])
def test_a_key_that_nothing_disturbs_is_seen_at_a_glance(measure, start, end):
    """Its full frame is the last but one, or the last."""
    x = tones(start, end)
    disturbed = x + sine(1000, 2000)
    seen, others = glance(measure, disturbed, x, disturbed)
    assert seen.ports.tolist() == [1] and others.tolist() == [0, 2]
    assert seen.start[0] == pytest.approx(start, abs=3) and seen.end[0] == pytest.approx(end, abs=3)
    assert seen.peak[0] == pytest.approx((3000, 2000), rel=1e-3)
    whole = measure.bank_all(tones(0, 160)[None, :FRAME_SAMPLES].astype(np.float32)).power[[1, 6], 0]
    assert seen.full[0] == pytest.approx(whole, rel=1e-3)


def grown(by):
    """A key whose loudness grows by so much in its full frame."""
    return tones(210, 500) * np.where((N >= 320) & (N < 480), 1 + by * (N - 399.5), 1)


@pytest.mark.parametrize(
    ("just", "too_much"),
    [
        (tones(210, 500) + sine(200, 2000), tones(210, 500) + sine(230, 2000)),
        (tones(210, 500) + sine(220, 2000) * (N < 160), tones(210, 500) + sine(240, 2000) * (N < 160)),
        (grown(0.0017), grown(0.0019)),
        (
            tones(240, 500, (3000.0, 0.0)) + tones(245, 500, (0.0, 2000.0)),
            tones(240, 500, (3000.0, 0.0)) + tones(249, 500, (0.0, 2000.0)),
        ),
        (
            tones(240, 500) + sine(300, 2000) * ((N > 180) & (N < 300)),
            tones(240, 500) + sine(1000, 2000) * ((N > 180) & (N < 300)),
        ),
        (
            tones(210, 520) + sine(300, 2000) * (N > 520),
            tones(210, 520) + sine(600, 2000) * (N > 520),
        ),
        (tones(255, 500), tones(261, 500)),  # long enough
        (tones(210, 500, off=(0.0197, 0.0)), tones(210, 500, off=(0.0203, 0.0))),
        (tones(210, 500, off=(0.0, -0.0197)), tones(210, 500, off=(0.0, -0.0203))),
        (tones(210, 500, (1000.0, 2750.0)), tones(210, 500, (1000.0, 2850.0))),
        (tones(210, 500, (2750.0, 1000.0)), tones(210, 500, (2850.0, 1000.0))),
        (tones(210, 500, (51.0, 100.0)), tones(210, 500, (49.0, 100.0))),
        (tones(210, 500, (100.0, 51.0)), tones(210, 500, (100.0, 49.0))),
    ],
)
def test_what_disturbs_a_key_is_left_to_a_closer_look(measure, just, too_much):
    seen, others = glance(measure, just, too_much)
    assert seen.ports.tolist() == [0] and others.tolist() == [1]


def test_what_goes_on_from_a_key_that_was_heard_is_no_other_key(measure):
    """Its beginning is told to 40 samples."""
    assert glance(measure, tones(210, 500), silent=-240)[0].ports.tolist() == [0]
    assert glance(measure, tones(210, 500), silent=-260)[0].ports.tolist() == []


# ------------------------------------------------------------------- follow
def follow(measure, clean, start, stop, now, end=1000.0):
    """A frame that ends at `now`, of which a key that was heard until `end` fills a part; the key's pause is
    over after 200 samples. Answers whether it is gone, may be, and until when it was heard."""
    frames = np.zeros((3, FRAME_SAMPLES), np.float32)
    frames[1] = tones(0, FRAME_SAMPLES)[:FRAME_SAMPLES]
    kept = measure._ports
    kept.down[:], kept.pair[1], kept.clean[1], kept.end[1] = [False, True, False], PAIR, clean, end
    kept.full[1] = measure.bank_all(frames).power[[1, 6], 1]
    frames[1] = tones(start, stop)[:FRAME_SAMPLES]
    gone, unsure = measure.follow(measure.bank(frames).power, now, 200.0)
    assert gone.tolist() in ([], [1]) and unsure.tolist() in ([], [1])
    return len(gone) > 0, len(unsure) > 0, float(kept.end[1])


@pytest.mark.parametrize("filled", [0, 3, 7, 20, 50, 80, 120, 150, 160])
def test_how_much_of_a_frame_an_undisturbed_key_fills_tells_where_it_ends(measure, filled):
    gone, unsure, end = follow(measure, True, 0, filled, 1160)
    assert not gone and not unsure
    assert end == pytest.approx(1000 + filled, abs=3)


@pytest.mark.parametrize(
    ("start", "stop", "now", "gone", "heard"),
    [
        (0, 0, 1199, False, 1000),
        (0, 0, 1200, True, 1000),
        (20, 160, 1320, False, 1320),  # back after 180 samples
        (60, 160, 1320, True, 1000),  # after 220
        (140, 160, 1195, False, 1000),  # what is there of it is too little to tell
    ],
)
def test_an_undisturbed_key_is_gone_when_its_pause_is_over(measure, start, stop, now, gone, heard):
    assert follow(measure, True, start, stop, now) == (gone, False, pytest.approx(heard, abs=1))


def test_one_tone_alone_holds_no_key(measure):
    both = measure.bank_all(tones(0, FRAME_SAMPLES)[None, :FRAME_SAMPLES].astype(np.float32)).power
    follow(measure, True, 0, 160, 1160)
    for tone in (1, 6):
        power = np.zeros((8, 3), np.float32)
        power[tone, 1] = both[tone, 0]
        measure._ports.end[1] = 1000.0
        assert measure.follow(power, 1200, 200.0)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("start", "now", "may_be", "heard"),
    [
        (0, 1160, False, 1112),  # the last 6 ms of a frame weigh too little
        (25, 1160, False, 1112),
        (60, 1160, False, 1000),  # too little of it to be sure
        (60, 1199, False, 1000),
        (60, 1200, True, 1000),
        (0, 1400, False, 1352),
    ],
)
def test_a_disturbed_key_may_be_gone_once_no_frame_was_full_of_it_for_long(
    measure, start, now, may_be, heard
):
    assert follow(measure, False, start, 160, now) == (False, may_be, heard)


def test_a_disturbed_key_was_never_heard_shorter_than_it_was(measure):
    assert follow(measure, False, 0, 160, 1160, end=1150.0) == (False, False, 1150.0)


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


def test_the_peak_of_a_tone_is_the_mean_of_its_16_loudest_ms_in_the_last_60(measure):
    x = np.random.default_rng(6).normal(0, 3000, (5, look.HISTORY_SAMPLES)).astype(np.float32)
    x[:, :300] *= 10
    heard = measure.hear(x, np.arange(5), BRIDGE_SAMPLES)
    wanted = np.sort(heard.amplitude[..., -30:], axis=-1)[..., -8:].mean(-1)
    assert heard.peak == pytest.approx(wanted, rel=1e-5)


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


def test_frequencies_in_noise_are_told_from_all_of_a_run(measure):
    """Better than by the mean turn from step to step, in which only the ends of a run count."""
    rng = np.random.default_rng(9)
    heard = measure.hear(*histories(*(tones(240, 840) + rng.normal(0, 600, 960) for _ in range(60))), 120.0)
    course, inside = measure.courses(heard, np.arange(60))
    waves = [wave[:, counts] for wave, counts in zip(heard.wave, inside, strict=True)]
    turns = [np.angle((wave[:, :-1].conj() * wave[:, 1:]).sum(1)) for wave in waves]
    by_turns = np.array(turns) / (2 * np.pi * look.STEP_SAMPLES / 8000)
    assert (course.hz.std(0) < 0.8 * by_turns.std(0)).all()


def test_some_rows_are_measured_as_each_alone(measure):
    rng = np.random.default_rng(10)
    pair = np.array([6, 6, 9, 12])
    keys = [
        tones(300, 700, (300.0, 200.0)),
        tones(200, 900, (1000.0, 2000.0)),
        tones(400, 720, (500.0, 900.0), pair=9),
        tones(180, 520, (4000.0, 3000.0), pair=12) + tones(580, 930, (4000.0, 3000.0), pair=12),
    ]
    x = (keys + rng.normal(0, 100, (4, 960))).astype(np.float32)
    heard = measure.hear(x, pair, BRIDGE_SAMPLES)
    some = np.array([3, 1, 2])
    course, inside = measure.courses(heard, some)
    rests = measure.rests(heard, some, course.hz, inside)
    for at, row in enumerate(some):
        alone = measure.hear(x[row : row + 1], pair[row : row + 1], BRIDGE_SAMPLES)
        its_course, its_inside = measure.courses(alone, np.zeros(1, np.intp))
        assert (inside[at] == its_inside[0]).all()
        for part, its in zip(course, its_course, strict=True):
            assert part[at] == pytest.approx(its[0], rel=1e-6)
        (its_rest,) = measure.rests(alone, np.zeros(1, np.intp), its_course.hz, its_inside)
        assert rests[at][1:7] == pytest.approx(its_rest[1:7], rel=1e-4)
        assert rests[at].peak == pytest.approx(its_rest.peak, rel=1e-5)
        assert rests[at].onset.lead == pytest.approx(its_rest.onset.lead, rel=1e-5)
        assert rests[at].onset.apart == pytest.approx(its_rest.onset.apart, rel=1e-4)


def test_what_is_left_of_rows_of_several_lengths_and_of_what_was_before_is_told_as_of_each_alone(measure):
    """Some have little beside them, before some nothing was heard: the others keep their own among them."""
    rng = np.random.default_rng(12)
    spans = [(300, 700), (220, 900), (400, 760), (100, 500), (300, 700), (180, 640), (350, 900)]
    rows, pair = [], np.arange(16)
    for row in pair:
        start, end = spans[row % 7]
        noise = rng.normal(0, 20 if row % 5 == 4 else 1200, 960) * np.where(start > N, 0.2 + row / 10, 1.0)
        rows.append(tones(start, end, pair=row) + noise)
    x = np.array(rows, np.float32)

    def rests(rows):
        heard = measure.hear(x[rows], pair[rows], BRIDGE_SAMPLES)
        which = np.arange(len(rows))
        course, inside = measure.courses(heard, which)
        found = measure.rests(heard, which, course.hz, inside)
        return [(rest.rugged_db, rest.grown_db, rest.onset is None) for rest in found]

    together = np.array(rests(np.arange(16)))
    alone = np.array([rests(np.array([row]))[0] for row in range(16)])
    assert together == pytest.approx(alone, abs=1e-3)
    soft, unheard = np.arange(16) % 5 == 4, together[:, 2] > 0
    assert unheard.any() and (together[unheard, 1] == 0).all() and (together[soft, :2] == 0).all()
    assert (together[~soft, 0] > 0).all() and (together[~soft & ~unheard, 1] != 0).all()


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


@pytest.mark.parametrize(("span", "size"), [((300, 700), 512), ((200, 900), 1024)])
def test_what_two_tones_leave_is_measured_behind_a_window_that_ends_before_the_run_does(measure, span, size):
    x = tones(*span) + np.random.default_rng(7).normal(0, 300, 960)
    heard = measure.hear(*histories(x), BRIDGE_SAMPLES)
    course, inside = measure.courses(heard, np.zeros(1, np.intp))
    (rest,) = measure.rests(heard, np.zeros(1, np.intp), course.hz, inside)
    begin, end = heard.runs.start[0] + 24, heard.runs.end[0] - 24
    part = np.clip((N - begin) / (end - begin), 0, 1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * part)
    waves = np.exp(2j * np.pi * course.hz[0][:, None] / 8000 * N)
    fit = 2 * (waves.conj() @ (window * x)) / window.sum()
    power = np.abs(np.fft.rfft((window * (x - (fit @ waves).real))[int(begin) :], size)) ** 2 / size
    bass, bins = int(600 * size / 8000), size // 2 + 1
    above = power[bass:]
    weaker = (np.abs(fit).min() * window.sum() / 2) ** 2 / size
    assert rest.peak == pytest.approx(np.abs(fit), rel=1e-3)
    residue = 4 * above.sum() / ((np.abs(fit) ** 2).sum() * (window**2).sum())
    assert rest.residue == pytest.approx(residue, rel=1e-3)
    assert rest.residue_peak == pytest.approx(above.max() / weaker, rel=1e-3)
    assert rest.residue_crest == pytest.approx(above.max() * (bins - bass) / above.sum(), rel=1e-3)
    assert rest.bass_peak == pytest.approx(power[size // 256 : bass].max() / weaker, rel=1e-3)


def test_a_direct_current_is_no_bass(measure):
    assert rest_of(measure, tones(100, 900) + 3000)[0].bass_peak < 0.01


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


@pytest.mark.parametrize(
    "hz", [2310, 8000 - 3 * 1477, 2 * 1477 - 770, 770 + 2954, 3 * 1477 - 1540, 3080 - 1477]
)
def test_sums_and_differences_of_three_and_five_times_the_tones_are_what_a_limiter_adds(measure, hz):
    both = tones(200, 900, (2000.0, 2000.0))
    product, beside = rest_of(measure, both + sine(600, hz), both + sine(600, hz + 60))
    assert product.residue > 0.03 and product.unclipped < 0.1 * product.residue
    assert beside.residue > 0.03 and beside.unclipped > 0.8 * beside.residue


def test_noise_is_nothing_that_a_limiter_adds(measure):
    noise = np.random.default_rng(8).normal(0, 800, 960)
    (rest,) = rest_of(measure, tones(200, 900) + noise)
    assert rest.residue > 0.05 and rest.unclipped == rest.residue


def test_how_a_run_begins_is_told_for_each_tone(measure):
    low, high = tones(300, 800, (3000.0, 0.0)), tones(340, 800, (0.0, 2000.0))
    early = tones(100, 340, (1500.0, 0.0)) + tones(340, 800)
    late, before, unheard = rest_of(measure, low + high, early, tones(20, 800))
    assert late.onset.apart == pytest.approx(40, abs=6) and max(late.onset.lead) < 0.5
    assert before.onset.lead[0] == pytest.approx(0.5, abs=0.05) and before.onset.lead[1] < 0.05
    assert unheard.onset is None


def test_what_was_there_from_16_to_7_ms_before_a_run_is_its_lead_where_that_was_heard(measure):
    rng = np.random.default_rng(11)
    rows = [tones(start, 800) + rng.normal(0, 300, 960) for start in range(140, 180, 2)]
    which = np.arange(len(rows))
    heard = measure.hear(*histories(*rows), BRIDGE_SAMPLES)
    course, inside = measure.courses(heard, which)
    rests = measure.rests(heard, which, course.hz, inside)
    unheard = heard.runs.start < look.LEAST_BEFORE
    assert [rest.onset is None for rest in rests] == unheard.tolist() and 5 < unheard.sum() < 15
    for row in np.flatnonzero(~unheard):
        first = int(heard.runs.start[row] / look.STEP_SAMPLES)
        before = heard.amplitude[row, :, first - 7 : first - 3].mean(-1)
        assert rests[row].onset.lead == pytest.approx(before / rests[row].peak, rel=1e-5)


def test_pauses_are_found_from_where_tones_were_heard_last(measure):
    x, pair = histories(tones(0, 400) + tones(480, 960), tones(0, 400) + tones(720, 960))
    peak = np.full((2, 2), (3000.0, 2000.0))
    until, over = measure.first_pauses(x, pair, peak, np.full(2, 200.0), 200.0)
    assert over.tolist() == [False, True]
    assert until == pytest.approx([960, 400], abs=10)


def test_a_pause_is_as_long_as_it_is_wherever_it_begins(measure):
    ends = np.arange(400, 417)
    x, pair = histories(*(tones(0, end) for end in ends))
    peak = np.full((len(ends), 2), (3000.0, 2000.0))
    until, over = measure.first_pauses(x, pair, peak, np.full(len(ends), 200.0), 960.0)
    assert until == pytest.approx(ends, abs=5) and not over.any()
    for row, end in enumerate(until):
        one = slice(row, row + 1)
        for more in (-1, 1):
            pause = 960 - end + more
            found = measure.first_pauses(x[one], pair[one], peak[one], np.array([200.0]), pause)
            assert (found[0][0], found[1][0]) == (end, more < 0)


def test_what_was_before_a_key_was_heard_last_does_not_count(measure):
    x, pair = histories(tones(0, 200) + tones(480, 700))
    peak = np.array([[3000.0, 2000.0]])
    until, over = measure.first_pauses(x, pair, peak, np.array([500.0]), 270.0)
    assert until == pytest.approx([700], abs=5) and not over[0]
    until, over = measure.first_pauses(x, pair, peak, np.array([740.0]), 270.0)
    assert until[0] == 740.0 and not over[0]


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
