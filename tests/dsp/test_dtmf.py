"""The DTMF receiver by the numbered procedures of Q.24, ES 201 235-3 and the Bellcore talk-off test.

Keys are synthesised in signals.py; the number of trials is small and the seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.dtmf import KEYS, DtmfReceiver, dtmf_samples
from dsp.dtmf_bank import PAIR_HZ
from dsp.dtmf_look import Course, Onset, Rest
from dsp.dtmf_plans import PLANS
from dsp.dtmf_rules import KeyRules, is_harmonic, stands_out
from tests.dsp import corpora, echo_lines, signals

DIAL_TONES = [(350, 440), (425,), (450,), (400,), (440, 480), (400, 450), (350, 450)]


def hear(rows, plan="china"):
    """Events per row; a quarter of a second of silence follows every row."""
    x = np.zeros((len(rows), max(map(len, rows)) + 2000), np.float32)
    for row, samples in zip(x, rows, strict=True):
        row[: len(samples)] = samples
    heard = [[] for _ in rows]
    for event in DtmfReceiver(len(rows), plan).process(x):
        heard[event.port].append(event)
    return heard


def digits(events, phase="up"):
    return "".join(e.digit for e in events if e.phase == phase)


def decoded(rows, wanted, plan="china"):
    """Share of rows' keys that came out, in order and none too many (else 0 for the row)."""
    right = total = 0
    for events, keys in zip(hear(rows, plan), wanted, strict=True):
        got = digits(events)
        assert len(got) <= len(keys), f"{got} out of {keys}"
        rest = iter(got)
        position = next(rest, None)
        for key in keys:
            if key == position:
                right += 1
                position = next(rest, None)
        total += len(keys)
    return right / total


def dialled(rows, seed=1, repeat=2, snr_db=None, extra=None, **shape):
    """Rows of all keys in random order, with `signals.keys` shapes, noise and something on top."""
    rng = np.random.default_rng(seed)
    samples, wanted = [], []
    for _ in range(rows):
        order = "".join(rng.permutation(list(signals.ALL_KEYS * repeat)))
        x = signals.keys(order, rng=rng, lead_ms=60 + rng.uniform(0, 20), **shape)
        low = shape.get("low_dbm0", -10.0)
        high = shape.get("high_dbm0", low)
        if snr_db is not None:
            both = 10 * np.log10(10 ** (low / 10) + 10 ** (high / 10))
            x = x + signals.noise(len(x), both - snr_db, rng)
        if extra is not None:
            x = x + extra(len(x), rng)
        samples.append(x)
        wanted.append(order)
    return samples, wanted


# ------------------------------------------------------------- 1 bandwidth
@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (1, 0)])
def test_1_frequencies_off_by_1_8_percent_are_keys_and_by_3_5_percent_are_not(low, high):
    assert decoded(*dialled(4, low_off=0.018 * low, high_off=0.018 * high)) == 1.0
    assert decoded(*dialled(4, low_off=0.035 * low, high_off=0.035 * high)) == 0.0


# ------------------------------------------------------------------ 2 twist
@pytest.mark.parametrize(("low_dbm0", "high_dbm0"), [(-18, -10), (-10, -18), (-28, -20), (-8, 0)])
def test_2_twist_of_8_db_either_way(low_dbm0, high_dbm0):
    assert decoded(*dialled(8, low_dbm0=low_dbm0, high_dbm0=high_dbm0)) == 1.0


# ---------------------------------------------------------- 3 dynamic range
@pytest.mark.parametrize("dbm0", [0, -3, -12, -24, -36])
def test_3_levels_from_0_to_minus_36_dbm0_even_where_the_converter_clips(dbm0):
    rows, wanted = dialled(4, low_dbm0=dbm0)
    assert decoded([signals.pcm(x) for x in rows], wanted) == 1.0


@pytest.mark.parametrize("dbm0", [1, 2, 4, 6, 8, 10])
def test_3_a_signal_too_loud_for_the_converter_loses_no_key(dbm0):
    rows, wanted = dialled(4, on_ms=80, off_ms=80, low_dbm0=dbm0)
    assert decoded([signals.pcm(x) for x in rows], wanted) == 1.0


def test_3_nor_does_one_that_was_clipped_elsewhere():
    rows, wanted = dialled(4, on_ms=80, off_ms=80, low_dbm0=-12)
    limit = signals.peak(-12)  # both tones together reach twice that
    assert decoded([np.clip(x, -limit, limit) for x in rows], wanted) == 1.0


def test_3_far_too_quiet_is_no_key():
    assert decoded(*dialled(4, low_dbm0=-50)) == 0.0


# ----------------------------------------------------------------- 4 timing
def test_4_40_ms_always_and_under_20_ms_never():
    assert decoded(*dialled(8, on_ms=40, off_ms=40)) == 1.0
    for short_ms in (10, 15, 19):
        assert decoded(*dialled(4, on_ms=short_ms, off_ms=60)) == 0.0
        assert decoded(*dialled(4, on_ms=short_ms, off_ms=60, snr_db=12)) == 0.0


@pytest.mark.parametrize("plan", sorted(PLANS))
def test_4_every_plan_takes_what_it_must_and_leaves_what_it_must_not(plan):
    limits = PLANS[plan]
    assert decoded(*dialled(3, on_ms=limits.accept_tone_ms, off_ms=limits.accept_pause_ms), plan) == 1.0
    assert decoded(*dialled(3, on_ms=limits.reject_tone_ms - 1, off_ms=60), plan) == 0.0


@pytest.mark.parametrize(("on_ms", "gap_ms"), [(40, 10), (50, 10), (30, 5), (25, 10)])
def test_4_an_interrupted_key_is_one_key(on_ms, gap_ms):
    rng = np.random.default_rng(4)
    parts = [signals.silence(33)]
    for digit in signals.ALL_KEYS:
        tone = signals.key(digit, 2 * on_ms + gap_ms, phase=rng.uniform(0, 6))
        tone[on_ms * 8 : (on_ms + gap_ms) * 8] = 0
        parts += [tone, signals.silence(60)]
    assert digits(hear([np.concatenate(parts)])[0]) == signals.ALL_KEYS


@pytest.mark.parametrize("gap_ms", [0, 5, 10, 15])
@pytest.mark.parametrize("snr_db", [None, 15])
def test_4_another_key_without_a_pause_is_another_key(gap_ms, snr_db):
    """Also where it shares a tone with the one before: 1 2 3, or is beside it in the keypad."""
    rows, wanted = dialled(8, repeat=1, on_ms=80, off_ms=gap_ms, snr_db=snr_db)
    rows += [signals.keys("123456", 80, gap_ms, lead_ms=lead) for lead in range(40, 60, 3)]
    wanted += ["123456"] * 7
    assert decoded(rows, wanted) == 1.0


def test_4_keys_without_a_pause_are_reported_where_they_sound():
    events = hear([signals.keys("1245", 80, 0, lead_ms=45)])[0]
    assert [(e.digit, e.phase) for e in events[1:5]] == [
        ("1", "up"),
        ("2", "down"),
        ("2", "up"),
        ("4", "down"),
    ]
    for index, event in enumerate(e for e in events if e.phase == "up"):
        assert abs(event.start_samples - (360 + 640 * index)) <= 32
        assert abs(event.duration_samples - 640) <= 48


def test_4_the_same_key_after_40_ms_is_pressed_again():
    assert digits(hear([signals.keys("5555**", 40, 40)])[0]) == "5555**"


@pytest.mark.parametrize("plan", sorted(PLANS))
@pytest.mark.parametrize("snr_db", [None, 12])
def test_4_a_held_key_survives_the_plans_gap_and_ends_at_its_pause_wherever_that_falls(plan, snr_db):
    rng = np.random.default_rng(41)

    def presses(gap_ms):
        rows = []
        for offset in range(0, 160, 4):
            x = signals.key(signals.ALL_KEYS[offset // 4 % 16], 200 + gap_ms, phase=rng.uniform(0, 6))
            x[800 : 800 + gap_ms * 8] = 0
            x = np.concatenate([np.zeros(480 + offset), x])
            rows.append(x if snr_db is None else x + signals.noise(len(x), -7 - snr_db, rng))
        return {len(digits(events)) for events in hear(rows, plan)}

    assert presses(PLANS[plan].bridge_pause_ms) == {1}
    assert presses(PLANS[plan].accept_pause_ms) == {2}


def test_4_down_comes_within_60_ms_and_up_carries_the_duration():
    rng = np.random.default_rng(8)
    for _ in range(12):
        lead, on = rng.uniform(20, 60), float(rng.integers(40, 400))
        x = signals.row(np.concatenate([signals.silence(lead), signals.key("7", on), signals.silence(200)]))
        receiver, seen = DtmfReceiver(1), {}
        for at in range(0, x.shape[1], 80):
            for event in receiver.process(x[:, at : at + 80]):
                seen[event.phase] = (at + 80, event)
        start = round(lead * 8)
        assert seen["down"][0] - start <= 60 * 8
        assert abs(seen["up"][1].start_samples - start) <= 24
        assert abs(seen["up"][1].duration_samples - on * 8) <= 32


def test_4_a_key_held_for_a_minute_is_one_key():
    events = hear([signals.keys("9", 60_000, 100)])[0]
    assert [(e.digit, e.phase) for e in events] == [("9", "down"), ("9", "up")]
    assert events[1].duration_samples == pytest.approx(480_000, abs=32)


# ------------------------------------------------------------------ 5 noise
def test_5_at_6_db_signal_to_noise_99_of_100_keys_of_40_ms():
    assert decoded(*dialled(16, snr_db=6)) >= 0.99


@pytest.mark.parametrize(("dbm0", "lowest_hz", "least"), [(-16, 40, 0.98), (-12, 40, 0.97), (-16, 300, 0.85)])
def test_5_in_the_noise_of_a_car(dbm0, lowest_hz, least):
    def noise(n, rng):
        return signals.brown_noise(n, dbm0, rng, lowest_hz)

    assert decoded(*dialled(6, on_ms=80, off_ms=80, low_dbm0=-12, extra=noise)) >= least


@pytest.mark.parametrize(("under_db", "least"), [(18, 0.99), (13, 0.97), (8, 0.9)])
def test_5_while_somebody_speaks(under_db, least):
    rows, wanted = dialled(6, repeat=1, on_ms=80, off_ms=80, low_dbm0=-12)
    speech = echo_lines.speech(6, 4, 55, -12 - under_db)
    assert decoded([x + said[: len(x)] for x, said in zip(rows, speech, strict=True)], wanted) >= least


def test_5_a_key_whose_beginning_is_drowned_is_heard_in_what_follows():
    rng = np.random.default_rng(5)
    rows = []
    for digit in signals.ALL_KEYS * 2:
        x = np.concatenate([signals.silence(100), signals.key(digit, 110, -12), signals.silence(300)])
        x += signals.noise(len(x), -17, rng)
        x[500:1050] += signals.noise(550, -9, rng)
        rows.append(x)
    assert decoded(rows, signals.ALL_KEYS * 2) >= 0.95


# --------------------------------------------------------------- 6 dial tone
@pytest.mark.parametrize("freqs", DIAL_TONES)
@pytest.mark.parametrize("dbm0", [-10, -22])
def test_6_over_dial_tone_of_minus_15_dbm0_per_tone(freqs, dbm0):
    def dial_tone(n, rng):
        return sum(signals.tone(f, n / 8, -15, rng.uniform(0, 6))[:n] for f in freqs)

    assert decoded(*dialled(2, repeat=1, low_dbm0=dbm0, extra=dial_tone)) == 1.0


def test_6_over_mains_hum():
    def hum(n, rng):
        return sum(signals.tone(f, n / 8, -25, rng.uniform(0, 6))[:n] for f in (50, 100, 150))

    assert decoded(*dialled(3, low_dbm0=-25, extra=hum)) == 1.0


# ------------------------------------------------------------------- 7 echo
@pytest.mark.parametrize("late_ms", [2.5, 5, 10, 12.5, 15, 17.5, 20])
@pytest.mark.parametrize("on_ms", [40, 50, 80, 200])
def test_7_an_echo_10_db_down_and_up_to_20_ms_late_loses_no_key(late_ms, on_ms):
    """Q.24, AT&T. It adds up to 2.4 dB to a tone or takes 3.3 dB away, once it is there."""
    for shape in ({}, {"low_dbm0": -12, "high_dbm0": -10}, {"low_off": 0.015, "high_off": -0.015}):
        rows, wanted = dialled(2, repeat=1, on_ms=on_ms, off_ms=on_ms, **shape)
        assert decoded([signals.echoed(x, late_ms, 10) for x in rows], wanted, "att") == 1.0


@pytest.mark.parametrize("late_ms", [10, 15, 20])
def test_7_an_echo_in_noise_loses_no_key(late_ms):
    rng = np.random.default_rng(71)
    rows, wanted = dialled(4, repeat=1, on_ms=50, off_ms=50)
    rows = [signals.echoed(x, late_ms, 10) for x in rows]
    assert decoded([x + signals.noise(len(x), -7 - 25, rng) for x in rows], wanted) == 1.0


def test_7_a_key_with_an_echo_is_reported_like_one_without():
    x = signals.echoed(signals.keys("6", 80, 200, lead_ms=45, low_dbm0=-12, high_dbm0=-9), 15, 10)
    down, up = hear([x])[0]
    assert abs(down.start_samples - 360) <= 24
    assert abs(up.duration_samples - 640) <= 15 * 8, "with the echo or without"
    assert up.twist_db == pytest.approx(3, abs=0.3)
    assert up.level_dbm0 == pytest.approx(-10.25, abs=0.3)


@pytest.mark.parametrize("digit", "15D*")
@pytest.mark.parametrize("steps", [(0.6, 0.6), (0.6, 0.2), (-0.45, -0.45), (1j, 0.3), (0.3, 1j)])
def test_7_two_tones_that_step_by_more_than_an_echo_does_are_no_key(digit, steps):
    x = np.zeros(480)
    for hz, step in zip(signals.KEYPAD[digit], steps, strict=True):
        x += signals.tone(hz, 60, -10)
        x[160:] += signals.peak(-10) * (step * np.exp(2j * np.pi * hz / 8000 * np.arange(160, 480))).real
    assert hear([np.concatenate([signals.silence(150), x, signals.silence(100)])])[0] == []


# ---------------------------------------------------------------- 8 talk-off
def test_8_no_key_in_speech_and_music_that_was_not_used_for_tuning():
    speech = corpora.in_rows(corpora.recordings(corpora.SPEECH, tuning=False), 32)
    for rows in (speech, corpora.faster(speech, 1.12)):
        assert DtmfReceiver(32).process(rows) == []


def test_8_no_key_in_a_chord_over_a_loud_bass():
    """Of the tuning half: two notes 2.2 % off those of a key, over a third as loud as the weaker of them."""
    music = corpora.in_rows(corpora.recordings(corpora.MUSIC, tuning=True), 64)[3:4, :20000]
    for speed in (1.0603, 1.0623, 1.0634):
        assert DtmfReceiver(1).process(corpora.faster(music, speed)) == []


def both_tones(digit, ms=80):
    """A key between pauses, [n]; the imitations below spoil it."""
    return np.concatenate([signals.silence(150), signals.key(digit, ms), signals.silence(100)])


def over_the_key(x, *waves):
    """The waves added while the key sounds."""
    out = x.copy()
    for wave in waves:
        out[1200 : 1200 + len(wave)] += wave
    return out


@pytest.mark.parametrize("digit", "15D*")
def test_8_a_voice_with_a_pitch_under_the_two_tones_is_no_key(digit):
    glide_hz = np.linspace(150, 230, 640)
    pitch = signals.peak(-8) * np.sin(np.cumsum(2 * np.pi * glide_hz / 8000))
    assert hear([over_the_key(both_tones(digit), pitch)])[0] == []
    steady = both_tones(digit) + signals.tone(200, len(both_tones(digit)) / 8, -8)
    assert digits(hear([steady])[0]) == digit  # what was there before and stays is the line's own


@pytest.mark.parametrize("digit", "15D*")
def test_8_a_chord_of_steady_tones_is_no_key(digit):
    chord = [signals.tone(hz, 80, -21, hz) for hz in (1045, 1850, 2300, 2750, 3200)]
    assert hear([over_the_key(both_tones(digit), *chord)])[0] == []


@pytest.mark.parametrize("early", [0, 1])
def test_8_a_tone_that_was_there_before_the_other_is_no_key(early):
    low, high = signals.KEYPAD["8"]
    before = signals.tone((low, high)[early], 110, -10)
    later = signals.tone((high, low)[early], 60, -10)
    x = np.concatenate([signals.silence(150), before, signals.silence(180)])
    x[1200 + 400 : 1200 + 400 + 480] += later
    assert hear([x])[0] == []


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize(("late_ms", "is_key"), [(0, True), (1.5, True), (6, False)])
def test_8_two_tones_of_which_one_begins_later_than_noise_explains_are_no_key(late, late_ms, is_key):
    heard = []
    for digit in "15D*":
        for seed in range(4):
            rng = np.random.default_rng(seed)
            tones = [signals.tone(hz, 60, -13, rng.uniform(0, 6)) for hz in signals.KEYPAD[digit]]
            tones[late][: round(8 * late_ms)] = 0
            x = np.concatenate([signals.silence(300), sum(tones), signals.silence(100)])
            heard.append(digits(hear([x + signals.noise(len(x), -18, rng)])[0]) == digit)
    assert np.mean(heard) >= 0.9 if is_key else not any(heard), heard


@pytest.mark.parametrize(
    ("residue", "crest", "is_third"), [(0.31, 13.5, True), (0.31, 12.7, False), (0.2, 13.5, False)]
)
def test_8_much_beside_the_tones_is_a_third_one_sooner_than_little(residue, crest, is_third):
    """Signals made here cross all limits at once; a word that was a key lay between these two."""
    rest = Rest((1730.0, 1547.0), residue, 0.23, crest, 0.04, residue, residue)
    assert is_harmonic(rest, 0.24) == is_third


@pytest.mark.parametrize(
    ("residue", "peak", "too_much"),
    [
        (0.33, 0.218, True),
        (0.233, 0.231, True),
        (0.25, 0.118, False),
        (0.18, 0.155, False),
        (0.12, 0.24, False),
    ],
)
def test_8_of_much_beside_the_tones_no_part_stands_out(residue, peak, too_much):
    """A word and a piece of music that were keys, and keys in noise, over speech and over music."""
    assert stands_out(Rest((1730.0, 1547.0), residue, peak, 11.0, 0.04, residue, residue)) == too_much


def verdict_of(
    residue,
    rugged_db=0.0,
    grown_db=0.0,
    lead=0.05,
    unclipped=None,
    peak=(1730.0, 1547.0),
    bass=0.04,
    off=0.003,
    stir=0.07,
):
    """What is made of two tones of which the rest is as in noise, but for what is said of it."""
    noise = residue * (1 + (max(peak) / min(peak)) ** 2) / 2
    unclipped = residue if unclipped is None else unclipped
    onset = Onset((lead, lead), 3.0)
    rest = Rest(peak, residue, 0.12, 10.0, bass, noise, unclipped, rugged_db, grown_db, onset)
    course = Course(PAIR_HZ[5][None], *np.array([[off], [stir], [stir]]))
    (verdict,) = KeyRules(PLANS["china"]).judge([rest], course)
    return verdict


@pytest.mark.parametrize(
    ("beside", "is_key"),
    [
        ({"rugged_db": 2.5}, True),
        ({"rugged_db": 4.6}, True),
        ({"rugged_db": 6.0}, False),
        ({"rugged_db": 10.0}, False),
        ({"rugged_db": 10.0, "unclipped": 0.02}, True),
        ({"rugged_db": 2.5, "grown_db": 3.5}, True),
        ({"rugged_db": 2.5, "grown_db": -10.0}, True),
        ({"rugged_db": 2.5, "grown_db": 7.0}, False),
        ({"rugged_db": 2.5, "grown_db": 7.0, "unclipped": 0.02}, True),
    ],
)
def test_8_much_beside_the_tones_is_noise_that_was_there_or_what_a_limiter_adds(beside, is_key):
    """Words, and sounds of instruments, come as near to keys as keys in noise, but what is left of them
    has peaks and gaps all over, or begins with them."""
    assert verdict_of(0.24, **beside).key == is_key


@pytest.mark.parametrize(("grown_db", "is_key"), [(0.0, True), (3.0, True), (9.0, False), (-9.0, True)])
def test_8_what_was_there_before_the_tones_is_excused_by_the_noise_before_them(grown_db, is_key):
    """A cry was a key whose weaker tone had begun before, in what was much softer before."""
    assert verdict_of(0.057, grown_db=grown_db, lead=0.17, peak=(900.0, 2000.0)).key == is_key


@pytest.mark.parametrize(
    ("bass", "off", "stir", "is_key"),
    [
        (2.9, 0.0115, 0.1, False),
        (2.9, 0.0115, 0.05, True),
        (2.9, 0.007, 0.1, True),
        (0.04, 0.0115, 0.1, True),
    ],
)
def test_8_over_bass_two_tones_that_are_off_go_on_as_evenly_as_noise_lets_them(bass, off, stir, is_key):
    """Two notes of music that fade were a key, or a key over dial tone."""
    assert verdict_of(0.02, bass=bass, off=off, stir=stir).key == is_key


@pytest.mark.parametrize("digit", "15D*")
def test_8_noise_beside_the_weaker_tone_is_no_excuse_for_the_louder_one_that_was_there_before(digit):
    rows = {"key": [], "voice": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        early = 0.3 * signals.tone(signals.KEYPAD[digit][0], 25, -10, rng.uniform(0, 6))
        pressed = [signals.silence(300), signals.key(digit, 60, -10, -18), signals.silence(100)]
        x = np.concatenate(pressed) + signals.noise(3680, -20, rng)
        rows["key"].append(x.copy())
        x[2400 - len(early) : 2400] += early
        rows["voice"].append(x)
    heard = {name: sum(digits(events) == digit for events in hear(part)) for name, part in rows.items()}
    assert heard["key"] == 8 and heard["voice"] <= 1, heard


@pytest.mark.parametrize(("off", "is_key"), [(0.012, False), (0.0074, True), (0.0, True)])
def test_8_two_tones_with_a_third_and_without_a_beginning_are_a_key_only_where_a_telephone_has_them(
    off, is_key
):
    """A key that somebody talked over when it was pressed, or a chord."""
    for digit in "15D*":
        high = signals.KEYPAD[digit][1]
        x = signals.key(digit, 600, -14, low_off=off, high_off=-off)
        x += signals.tone(1050, 600, -22.5) + signals.tone(high * (1 - off) + 70, 600, -33)
        x[:600] += signals.noise(600, -10, np.random.default_rng(3))
        (events,) = hear([x[100:]])
        assert bool(events) == is_key, (digit, events)


@pytest.mark.parametrize(("third_dbm0", "is_key"), [(-22.0, True), (-19.5, False)])
def test_8_a_third_tone_without_a_beginning_leaves_no_key_where_it_is_loud(third_dbm0, is_key):
    for digit in "15D*":
        x = signals.key(digit, 600, -14) + signals.tone(1050, 600, third_dbm0)
        x += signals.noise(len(x), -45, np.random.default_rng(7))
        (events,) = hear([x])
        assert bool(events) == is_key, (digit, events)


@pytest.mark.parametrize(
    ("before", "is_key"),
    [((0.2, 0.2), True), ((0.45, 0.1), True), ((0.1, 0.6), True), ((0.45, 0.45), False), ((1, 0.1), False)],
)
def test_8_two_tones_that_were_there_before_are_no_key_however_long_they_go_on(before, is_key):
    """A chord that swells; what was there of one of them more softly may be somebody's voice."""
    for digit in "15D*":
        low, high = signals.KEYPAD[digit]
        x = signals.key(digit, 600, -14) + signals.tone(1050, 600, -22.5) + signals.tone(high + 70, 600, -33)
        for hz, share in zip((low, high), before, strict=True):
            x[:1200] -= (1 - share) * signals.tone(hz, 150, -14)
        (events,) = hear([np.concatenate([signals.silence(100), x, signals.silence(100)])])
        assert bool(events) == is_key, (digit, events)


@pytest.mark.parametrize(("off", "is_key"), [(0.0, True), (0.018, True), (0.0205, False)])
def test_8_a_third_tone_is_no_excuse_for_tones_that_are_off_as_noise_is(off, is_key):
    """Partials of a struck string."""
    for digit in "1580":
        x = signals.key(digit, 60, -14, low_off=off, high_off=-off) + signals.tone(2600, 60, -21)
        x = np.concatenate([signals.silence(300), x, signals.silence(300)])
        (events,) = hear([x + signals.noise(len(x), -46, np.random.default_rng(6))])
        assert digits(events) == (digit if is_key else ""), (digit, events)


@pytest.mark.parametrize(
    ("off", "apart_ms", "is_key"), [(0.012, 0, True), (0.0074, 2, True), (0.012, 2, False)]
)
def test_8_two_tones_over_a_bass_that_do_not_begin_at_once_nor_are_a_telephones_are_no_key(
    off, apart_ms, is_key
):
    for digit in "15D*":
        x = signals.tone(260, 500, -23.5)
        low, high = signals.KEYPAD[digit]
        x[2400:3200] += signals.tone(low * (1 - off), 100, -20, 1.0)
        since = 2400 + 8 * apart_ms
        x[since:3200] += signals.tone(high * (1 - off), 100, -20)[: 3200 - since]
        x += signals.noise(len(x), -42, np.random.default_rng(4))
        (events,) = hear([x])
        assert digits(events) == (digit if is_key else ""), (digit, events)


@pytest.mark.parametrize("vibrato_hz", [12, 20])
def test_8_two_tones_whose_loudness_wavers_are_no_key(vibrato_hz):
    x = both_tones("5", 200)
    wave = 1 + 0.6 * np.sin(2 * np.pi * vibrato_hz / 8000 * np.arange(len(x)))
    assert hear([x * wave])[0] == []


# --------------------------------------------------- 9 what is played beside
@pytest.mark.parametrize("digit", "15D*")
@pytest.mark.parametrize("hz", [1050, 1850, 2300])
def test_9_a_note_of_music_beside_a_key_loses_no_key(digit, hz):
    x = both_tones(digit)
    assert digits(hear([x + signals.tone(hz, len(x) / 8, -18)])[0]) == digit


# -------------------------------------------------------- what is reported
@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(signals.ALL_KEYS),
    st.floats(-30, -6),
    st.floats(-7.5, 7.5),
    st.floats(60, 200),
)
def test_level_and_twist_are_those_of_the_tones(digit, low_dbm0, twist_db, on_ms):
    x = signals.keys(digit, on_ms, 60, low_dbm0=low_dbm0, high_dbm0=low_dbm0 + twist_db)
    events = hear([x])[0]
    assert digits(events) == digit
    mean_dbm0 = 10 * np.log10((10 ** (low_dbm0 / 10) + 10 ** ((low_dbm0 + twist_db) / 10)) / 2)
    assert events[-1].level_dbm0 == pytest.approx(mean_dbm0, abs=0.3)
    assert events[-1].twist_db == pytest.approx(twist_db, abs=0.3)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 1500), min_size=1, max_size=12), st.integers(0, 3))
def test_any_cutting_of_time_gives_the_same_events(chunks, seed):
    rng = np.random.default_rng(seed)
    x = signals.keys("".join(rng.permutation(list(signals.ALL_KEYS))), rng=rng, lead_ms=rng.uniform(20, 50))
    x = np.stack([x + signals.noise(len(x), -25, rng), np.zeros_like(x)]).astype(np.float32)
    whole = DtmfReceiver(2).process(x)
    receiver, at, pieces = DtmfReceiver(2), 0, []
    for n in [*chunks, x.shape[1]]:
        pieces += receiver.process(x[:, at : at + n])
        at += n
    assert pieces == whole and len(whole) == 32


def test_numbers_of_any_kind_wherever_they_lie_give_the_same_events():
    x = np.stack([signals.keys(keys, 60, 60) for keys in ("159D", "0*#A", "7283")]).astype(np.int16)
    usual = DtmfReceiver(3).process(x)
    assert len(usual) == 24
    apart = np.frombuffer(b"1" + x.astype("f4").tobytes(), "f4", offset=1).reshape(x.shape)
    doubled = np.repeat(x, 2, axis=1).astype(np.float32)[:, ::2]
    for kind in (x, x.astype(np.float64), np.asfortranarray(x.astype(np.float32)), apart, doubled):
        assert DtmfReceiver(3).process_clean(kind) == usual
        receiver = DtmfReceiver(3)
        ticks = (receiver.process_clean(kind[:, at : at + 160]) for at in range(0, x.shape[1], 160))
        assert [event for events in ticks for event in events] == usual


@settings(max_examples=20, deadline=None)
@given(st.text(alphabet=signals.ALL_KEYS, min_size=1, max_size=8), st.floats(-24, -4), st.floats(-7, 7))
def test_what_the_sender_dials_the_receiver_hears(keys, level_dbm0, twist_db):
    x = dtmf_samples(keys, 45, 45, level_dbm0, twist_db)
    assert digits(hear([np.concatenate([x, np.zeros(800)])])[0]) == keys


def test_the_sender_sends_what_q23_says():
    for row, keys in enumerate(KEYS):
        for digit in keys:
            x = dtmf_samples(digit, 500, 0, -9.0).astype(float)
            for hz in signals.KEYPAD[digit]:
                turn = np.exp(-2j * np.pi * hz / 8000 * np.arange(len(x))) * np.hanning(len(x))
                level = np.abs(x @ turn) / (len(x) / 4) / signals.peak(0)
                assert 20 * np.log10(level) == pytest.approx(-9, abs=0.1), (row, digit)
    with pytest.raises(ValueError, match="not a key"):
        dtmf_samples("12X")


# -------------------------------------------------------------- ports, state
def test_ports_are_independent_and_idle_ones_are_forgotten():
    key = signals.row(signals.keys("1", 80, 60, lead_ms=0))
    both = np.repeat(key, 2, axis=0)
    receiver = DtmfReceiver(2)
    only_second = np.array([False, True])
    events = receiver.process(both, only_second)
    assert {e.port for e in events} == {1} and digits(events) == "1"
    receiver.process(both[:, :480])  # both hear the beginning of a key
    receiver.reset([0])
    assert {e.port for e in receiver.process(both[:, 480:]) if e.phase == "up"} == {1}


def test_a_port_hears_among_others_what_it_hears_alone():
    shapes = [
        {},
        {"snr_db": 6},
        {"snr_db": 14, "low_dbm0": -20},
        {"on_ms": 130},
        {"low_dbm0": -18, "high_dbm0": -10},
    ]
    rows = [dialled(1, seed, repeat=1, **shape)[0][0] for seed, shape in enumerate(shapes)]
    rows.append(rows[0] + signals.tone(450, len(rows[0]) / 8, -15)[: len(rows[0])])
    together = hear(rows)
    for row, events in zip(rows, together, strict=True):
        padded = np.pad(row, (0, max(map(len, rows)) - len(row)))
        assert [e._replace(port=0) for e in events] == hear([padded])[0]
        assert len(events) >= 30


@pytest.mark.parametrize("snr_db", [60, 30, 24, 20])
def test_undisturbed_keys_are_reported_like_disturbed_ones(snr_db):
    """Keys decided at a glance and keys that had to be examined differ in nothing that is promised."""
    rng = np.random.default_rng(21)
    for off in (-0.018, 0.0, 0.018):
        lead, on = rng.uniform(40, 60), float(rng.integers(45, 200))
        x = np.concatenate(
            [signals.silence(lead), signals.key("6", on, -12, -9, off, off), signals.silence(100)]
        )
        down, up = hear([x + signals.noise(len(x), -7.2 - snr_db, rng)])[0]
        assert (down.digit, up.digit) == ("6", "6")
        assert abs(up.start_samples - round(lead * 8)) <= 24
        assert abs(up.duration_samples - on * 8) <= 32
        assert up.twist_db == pytest.approx(3, abs=0.5)
        assert up.level_dbm0 == pytest.approx(-10.2, abs=0.3)


def test_what_was_said_before_a_time_in_which_nobody_listened_does_not_make_a_key_longer():
    receiver = DtmfReceiver(2)
    key = np.tile(signals.key("5", 80), (2, 1))
    other, both, nobody = (np.array(which) for which in ([True, False], [True, True], [False, False]))
    receiver.process(key[:, :480] * [[0.0], [1.0]], other)
    for _ in range(6):
        receiver.process(np.zeros((2, 160), np.float32), nobody)
    end = np.concatenate([key[:, 480:640], np.zeros((2, 800), np.float32)], axis=1) * [[0.0], [1.0]]
    assert receiver.process(end, both) == [], "20 ms are no key"


def test_few_active_ports_among_many_hear_what_each_hears_alone():
    """The quietest keys, too, of which one comes long after silence."""
    rng = np.random.default_rng(14)
    lowest = PLANS["china"].lowest_dbm0
    keys = [
        signals.keys("159#", 50, 50, low_dbm0=lowest, lead_ms=400),
        signals.keys("0D", 40, 40, low_dbm0=-10, lead_ms=75),
        signals.keys("*", 80, 60, low_dbm0=lowest, high_dbm0=lowest + 7, lead_ms=1500),
    ]
    keys[1] = keys[1] + signals.noise(len(keys[1]), -25, rng)
    rows = np.zeros((64, 16000), np.float32)
    active = np.zeros(64, bool)
    for port, samples in zip((3, 40, 63), keys, strict=True):
        rows[port, : len(samples)] = signals.pcm(samples)
        active[port] = True
    rows[10] = rows[40]  # nobody asks
    receiver = DtmfReceiver(64)
    events = [e for at in range(0, 16000, 160) for e in receiver.process(rows[:, at : at + 160], active)]
    for port in (3, 40, 63):
        alone = DtmfReceiver(1).process(rows[port : port + 1])
        assert [e[1:5] for e in events if e.port == port] == [e[1:5] for e in alone]
    assert {e.port for e in events} == {3, 40, 63}
    assert [digits([e for e in events if e.port == port]) for port in (3, 40, 63)] == ["159#", "0D", "*"]


def test_start_counts_from_the_first_sample_whatever_was_active():
    receiver = DtmfReceiver(1)
    receiver.process(np.zeros((1, 1234), np.float32), np.array([False]))
    down = receiver.process(signals.row(signals.keys("3", 80, 60, lead_ms=50)), np.array([True]))[0]
    assert down.start_samples == pytest.approx(1234 + 400, abs=24)


def test_a_key_at_the_very_beginning_begins_with_the_first_sample():
    for event in hear([signals.keys(digit, 50, 50, lead_ms=0) for digit in signals.ALL_KEYS]):
        assert [e.digit for e in event] and all(0 <= e.start_samples <= 16 for e in event)


# ---------------------------------------------------------------- bad input
def hostile():
    rng = np.random.default_rng(9)
    n = 16000
    impulses = np.zeros(n)
    impulses[::800] = 32767
    burst = np.zeros(n)
    burst[8000:8400] = np.nan
    return {
        "constant": np.full(n, 20000.0),
        "all ones": np.ones(n),
        "overload": np.full(n, 32767.0),
        "not a number": np.full(n, np.nan),
        "infinite": np.full(n, np.inf),
        "some not a number": burst,
        "huge": rng.normal(size=n) * 1e37,
        "impulses": impulses,
        "square 697": 30000 * np.sign(np.sin(2 * np.pi * 697 / 8000 * np.arange(n) + 0.1)),
        "square 450": 30000 * np.sign(np.sin(2 * np.pi * 450 / 8000 * np.arange(n) + 0.1)),
        "square 1336": 30000 * np.sign(np.sin(2 * np.pi * 1336 / 8000 * np.arange(n) + 0.1)),
        "alternating": 32767.0 * (-1.0) ** np.arange(n),
        "clipped noise": np.clip(rng.normal(size=n) * 1e6, -32768, 32767),
        "one tone": signals.tone(941, 2000, -5),
        "one column": signals.tone(1477, 2000, -5),
        "two rows": signals.tone(697, 2000, -9) + signals.tone(941, 2000, -9),
        "sweep": 10000 * np.sin(np.cumsum(2 * np.pi * np.linspace(300, 3400, n) / 8000)),
    }


@pytest.mark.parametrize("name", sorted(hostile()))
def test_bad_input_gives_no_key_and_leaves_no_state_behind(name):
    receiver = DtmfReceiver(1)
    assert receiver.process(signals.row(hostile()[name])) == []
    after = receiver.process(signals.row(signals.keys("42", 50, 50, lead_ms=150)))
    assert digits(after) == "42"


def test_impossible_arguments_are_refused_with_a_reason():
    with pytest.raises(ValueError, match="unknown DTMF plan"):
        DtmfReceiver(1, "mars")
    with pytest.raises(ValueError, match=r"\[2, n\]"):
        DtmfReceiver(2).process(np.zeros((1, 160), np.float32))
    assert DtmfReceiver(2).process(np.zeros((2, 0), np.float32)) == []
