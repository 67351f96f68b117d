"""Automatic gain: speech is brought to its level, and nothing else moves the gain."""

from functools import cache

import numpy as np
import pytest

from dsp.agc import LIMIT, TARGET_DBM0, Agc
from tests.dsp import signals_progress as S
from tests.dsp.corpora import SPEECH, recordings

BAD = {
    "silence": np.zeros(24000),
    "offset": np.full(24000, 9000.0),
    "full scale": np.full(24000, 32767.0),
    "not a number": np.where(np.arange(24000) % 7 == 0, np.nan, 400.0),
    "infinite": np.where(np.arange(24000) % 900 < 450, np.inf, -np.inf),
    "square": 32767 * np.sign(np.sin(np.arange(24000) * 0.7 + 0.1)),
    "clipped": np.clip(S.white(3, 12), -32768, 32767),
    "impulses": np.where(np.arange(24000) % 3000 == 0, 32767.0, 0.0),
}


@cache
def talk(seconds=12):
    """Words without long pauses, at -20 dBm0."""
    longest = [r for r in recordings(SPEECH, False) if len(r) > 24000]
    x = np.concatenate(longest)[: seconds * S.RATE].astype(float)
    return x * 10 ** ((-20 - loudness(x)) / 20)


def loudness(x):
    """Level in dBm0 of the frames that are at most 15 dB under the mean, as in P.56."""
    frames = np.asarray(x, float)[: len(x) // 160 * 160].reshape(-1, 160)
    power = np.square(frames).mean(axis=1)
    spoken = power[power > power.mean() * 10**-1.5]
    return 10 * np.log10(spoken.mean() / (S.ZERO_DBM0_PEAK**2 / 2))


def spoken(level, seconds=12):
    x = talk(seconds) * 10 ** ((level + 20) / 20)
    return x + S.white(seconds, level - 45)[: len(x)]


def followed(agc, x, **more):
    """What comes out, and the gain after every 20 ms."""
    out, gains = [], []
    for at in range(0, x.shape[1] - 159, 160):
        out.append(agc.process(x[:, at : at + 160].astype(np.float32), **more))
        gains.append(agc.gain_db.copy())
    return np.hstack(out), np.array(gains)


def test_01_soft_and_loud_talkers_come_out_alike():
    levels = (-35, -30, -25, -20, -15, -10)
    out, gains = followed(Agc(len(levels)), np.stack([spoken(level) for level in levels]))
    reached = [loudness(row[6 * S.RATE :]) for row in out]
    assert reached == pytest.approx([TARGET_DBM0] * len(levels), abs=2.0)
    assert max(reached) - min(reached) < 1.0
    assert np.ptp(gains[300:], axis=0).max() < 2.5  # once found it stays


def test_02_the_gain_has_limits():
    out, gains = followed(Agc(2), np.stack([spoken(-46), spoken(-4)]))
    assert gains[-1] == pytest.approx([18, -12], abs=0.01)
    assert gains.max() <= 18 and gains.min() >= -12
    assert np.abs(out).max() <= LIMIT + 0.01
    narrow = Agc(2, lowest_db=-3, highest_db=4)
    assert followed(narrow, np.stack([spoken(-46), spoken(-4)]))[1][-1] == pytest.approx([4, -3], abs=0.01)


def test_03_it_falls_fast_and_rises_slowly():
    x = np.stack([np.concatenate([spoken(-35, 8), spoken(-12, 6), spoken(-35, 12)])])
    _, gains = followed(Agc(1), x)
    gain = gains[:, 0]
    step = np.diff(gain)
    assert step.min() >= -30 * 0.02 - 1e-4 and step.max() <= 8 * 0.02 + 1e-4
    assert gain[399] == pytest.approx(15, abs=2.5)
    # louder by 23 dB after 8 s, down to the new talker within 2 s of it
    assert gain[500] < -4 and gain[699] == pytest.approx(-8, abs=2.5)
    # softer by 23 dB after 14 s: 8 dB for each second of speech, which half of the time is
    assert 4 < gain[21 * 50] < 12 and gain[-1] == pytest.approx(15, abs=3)


def test_04_nothing_is_pumped_up_in_pauses():
    pause = S.white(10, -52)
    x = np.concatenate([spoken(-30), pause, spoken(-30)[: 2 * S.RATE]])[None, :]
    out, gains = followed(Agc(1), x)
    after = gains[12 * 50 + 20 : 22 * 50, 0]
    assert np.ptp(after) == 0.0
    quiet = out[0, 13 * S.RATE : 22 * S.RATE]
    assert 20 * np.log10(quiet.std() / pause.std()) == pytest.approx(after[0], abs=0.2)


@pytest.mark.parametrize(
    "tone",
    [((450,), (350, 350)), ((350, 440), ()), ((480, 620), (250, 250)), ((770, 1336), (80, 80)), ((425,), ())],
)
def test_05_tones_and_noise_move_nothing(tone):
    rows = [S.tone(*tone, 6, level) + S.white(6, level - 30, seed=2) for level in (-8, -20, -32)]
    rows += [S.white(6, -30), S.white(6, -50), S.tone((50,), (), 6, -15)]
    assert not followed(Agc(len(rows)), np.stack(rows))[1].any()


def test_06_a_tone_between_words_leaves_the_gain_alone():
    keys = S.tone((852, 1477), (100, 100), 4, -6) + S.white(4, -75)
    _, gains = followed(Agc(1), np.concatenate([spoken(-30), keys])[None, :])
    assert np.ptp(gains[12 * 50 + 3 :, 0]) == 0.0


def test_07_loud_peaks_are_held_without_a_click():
    t = np.arange(S.RATE) / S.RATE
    x = (20000 * np.sin(2 * np.pi * 200 * t))[None, :].astype(np.float32)
    agc = Agc(1)
    agc.set_fixed([0], 12)
    out = agc.process(x)[0]
    assert np.abs(out).max() == pytest.approx(LIMIT, abs=1)
    # after the first wave the limiter holds: a sine stays a sine, all but its very tops
    tail = out[4000:]
    sine = x[0, 4000:] * (tail @ x[0, 4000:]) / np.square(x[0, 4000:]).sum()
    assert np.square(tail - sine).mean() < 0.01 * np.square(tail).mean()
    # no step from sample to sample that the sine at that level would not make
    assert np.abs(np.diff(out)).max() < 1.1 * 80000 * 2 * np.pi * 200 / S.RATE
    agc.set_fixed([0], 0)
    agc.process(np.zeros((1, 8000), np.float32))
    assert agc.process(x)[0] == pytest.approx(x[0], abs=0.5)


def test_08_the_fixed_gain_is_reached_by_a_ramp_and_stays_over_calls():
    t = np.arange(1600) / S.RATE
    x = (1000 * np.cos(2 * np.pi * 300 * t))[None, :].repeat(2, axis=0).astype(np.float32)
    agc = Agc(2)
    agc.set_fixed([1], 20)
    out = np.hstack([agc.process(x), agc.process(x)])
    assert out[0] == pytest.approx(np.tile(x[0], 2), abs=0.01)
    assert out[1, -800:] == pytest.approx(10 * x[1, -800:], rel=1e-3, abs=0.1)
    assert np.abs(np.diff(out[1][:1600])).max() < 1.05 * 10 * np.abs(np.diff(x[1])).max()
    agc.reset([1])
    assert agc.process(x)[1] == pytest.approx(10 * x[1], rel=1e-3, abs=0.1)


def test_09_the_automatic_gain_counts_what_the_fixed_one_has_done():
    agc = Agc(2)
    agc.set_fixed([1], 10)
    out, gains = followed(agc, np.stack([spoken(-35), spoken(-35)]))
    assert gains[-1, 0] - gains[-1, 1] == pytest.approx(10, abs=0.5)
    assert loudness(out[1, -40000:]) == pytest.approx(loudness(out[0, -40000:]), abs=0.5)
    agc.set_automatic([0], False)
    followed(agc, np.stack([spoken(-35), spoken(-35)]))
    assert agc.gain_db[0] == 0 and agc.gain_db[1] == pytest.approx(gains[-1, 1], abs=1.5)


def test_10_ports_that_are_not_active_teach_nothing_and_reset_forgets():
    agc = Agc(2)
    _, gains = followed(agc, np.stack([spoken(-32), spoken(-32)]), active=np.array([True, False]))
    assert gains[-1, 0] > 8 and not gains[:, 1].any() and np.isnan(agc.speech_dbm0[1])
    agc.reset([0])
    assert agc.gain_db[0] == 0 and np.isnan(agc.speech_dbm0[0])
    again = followed(agc, np.stack([spoken(-32), spoken(-32)]), active=np.array([True, False]))[1]
    assert again[:, 0] == pytest.approx(gains[:, 0], abs=1.5)


def test_11_block_length_does_not_matter():
    x = np.stack([spoken(-32, 4), spoken(-3, 4) * 2]).astype(np.float32)
    whole, pieces = Agc(2), Agc(2)
    for agc in (whole, pieces):
        agc.set_fixed([1], 6)
    expected = whole.process(x)
    got = np.hstack([pieces.process(x[:, at : at + 77]) for at in range(0, x.shape[1], 77)])
    assert got == pytest.approx(expected, abs=0.05)
    assert pieces.gain_db == pytest.approx(whole.gain_db, abs=1e-4)
    assert whole.process(x[:, :0]).shape == (2, 0)


@pytest.mark.parametrize("kind", BAD)
def test_12_bad_input_does_no_harm(kind):
    x = BAD[kind].astype(np.float32)[None, :]
    kept = x.copy()
    agc = Agc(1)
    out, gains = followed(agc, x)
    assert np.array_equal(x, kept, equal_nan=True)
    assert np.isfinite(out).all() and np.abs(out).max() <= LIMIT + 0.01
    assert gains.min() >= -12 and gains.max() <= 3
    good, _ = followed(agc, spoken(-30)[None, :])
    assert loudness(good[0, -40000:]) == pytest.approx(TARGET_DBM0, abs=2.5)


def test_13_int16_is_taken_and_wrong_settings_are_refused():
    assert Agc(1).process(np.full((1, 160), -32768, np.int16)).min() >= -LIMIT - 0.01
    agc = Agc(2)
    with pytest.raises(ValueError, match=r"\[2, n\]"):
        agc.process(np.zeros((3, 160), np.float32))
    for wrong in (31, float("nan")):
        with pytest.raises(ValueError, match="-30 to 30 dB"):
            agc.set_fixed([0], wrong)
    for wrong in ({"target_dbm0": 5}, {"lowest_db": 1}, {"highest_db": -1}, {"attack_db_per_s": 0}):
        with pytest.raises(ValueError, match="must be"):
            Agc(2, **wrong)
    with pytest.raises(ValueError, match="at least one port"):
        Agc(0)
