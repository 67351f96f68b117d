"""Noise is not a voice, however loud it is; speech and music of the judging half are not noise."""

import numpy as np
import pytest

from dsp.progress import segments
from tests.dsp import signals_progress as S
from tests.dsp.corpora import MUSIC, SPEECH, recordings


def coloured(duration_s, level_dbm0, fall, seed=1):
    """Noise whose power falls with frequency to the power `fall` from 50 Hz on: 0 white, 1 pink, 2 brown."""
    n = round(duration_s * S.RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=n))
    hz = np.fft.rfftfreq(n, 1 / S.RATE)
    spectrum *= np.where(hz > 50, np.maximum(hz, 50.0) ** (-fall / 2), 0)
    return S.at_level(np.fft.irfft(spectrum, n), level_dbm0)


def parts(x):
    return [(s["tone"], s["start_s"], s["end_s"]) for s in segments(np.asarray(x, np.float32), "CN")]


def voice_s(x):
    return sum(end - start for tone, start, end in parts(x) if tone == "voice")


@pytest.mark.parametrize("level_dbm0", [-45, -36, -30, -24, -12])
@pytest.mark.parametrize("fall", [0, 1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loud_noise_is_silence(level_dbm0, fall, seed):
    noise = S.a_law(coloured(6, level_dbm0, fall, seed))
    assert parts(noise) == [("silence", 0.0, 6.0)]
    framed = np.concatenate([S.silence(2), noise, S.silence(2)])
    assert parts(framed) == [("silence", 0.0, 10.0)]


def test_a_voice_in_loud_noise_is_still_a_voice():
    said = S.at_level(recordings(SPEECH, False)[3][:24000], -14)
    noise = coloured(9, -32, 0)
    noise[24000:48000] += said
    found = [(start, end) for tone, start, end in parts(S.a_law(noise)) if tone == "voice"]
    assert found and found[0][0] == pytest.approx(3.0, abs=0.3)
    assert found[-1][1] == pytest.approx(6.0, abs=0.6)


def test_speech_and_music_stay_what_they_were():
    """The judging half: music may keep its level for seconds, and a vowel its spectrum."""
    said = [x for x in recordings(SPEECH, False) if len(x) > 2 * S.RATE][:40]
    heard = sum(voice_s(x) for x in said)
    assert heard > 0.8 * sum(len(x) for x in said) / S.RATE
    tunes = [x[: 40 * S.RATE] for x in recordings(MUSIC, False)]
    assert sum(voice_s(x) for x in tunes) > 0.9 * sum(len(x) for x in tunes) / S.RATE


def test_a_steady_tone_of_no_network_is_not_called_noise():
    assert voice_s(S.tone((1000,), (), 4, -20)) > 3.5


@pytest.mark.parametrize("duration_s", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("level_dbm0", [-45, -38, -30, -20])
@pytest.mark.parametrize("fall", [0, 1, 2])
def test_a_short_noise_is_silence(duration_s, level_dbm0, fall):
    hiss = coloured(duration_s, level_dbm0, fall)
    x = S.a_law(np.concatenate([S.silence(1), hiss, S.silence(1)]) + S.white(2 + duration_s, -64))
    assert parts(x) == [("silence", 0.0, pytest.approx(2 + duration_s))]


@pytest.mark.parametrize("mains_hz", [50, 60])
@pytest.mark.parametrize("harmonics", [(1,), (1, 3, 5, 7), (1, 2, 3, 4, 5), (2, 4, 6), (3,)])
@pytest.mark.parametrize("level_dbm0", [-45, -30])
def test_hum_is_silence(mains_hz, harmonics, level_dbm0):
    lines = [S.tone((1.002 * mains_hz * k,), (), 3, -20 - 3 * k, seed=k) for k in harmonics]
    hum = S.at_level(np.sum(lines, axis=0), level_dbm0)
    x = S.a_law(np.concatenate([S.silence(1), hum, S.silence(1)]) + S.white(5, -64))
    assert parts(x) == [("silence", 0.0, 5.0)]


def test_clicks_are_silence():
    rng = np.random.default_rng(4)
    x = S.white(8, -62)
    for at in range(2000, 62000, 1700):
        at += int(rng.integers(1500))
        length = int(rng.integers(2, 80))
        x[at : at + length] += rng.uniform(500, 15000) * np.exp(-np.arange(length) / (length / 3))
    assert parts(S.a_law(x)) == [("silence", 0.0, 8.0)]


def test_half_a_second_of_noise_beside_a_word_is_no_part_of_it():
    said = recordings(SPEECH, True)[3]
    said = S.at_level(said[np.flatnonzero(np.abs(said) > 500)[0] :][:8000], -20)
    x = np.concatenate([S.silence(1), coloured(0.6, -32, 0), said, S.silence(1)]) + S.white(3.6, -64)
    start_s = next(start for tone, start, _ in parts(S.a_law(x)) if tone == "voice")
    assert start_s == pytest.approx(1.6, abs=0.25)


@pytest.mark.parametrize("duration_s", [0.1, 0.5])
@pytest.mark.parametrize("hz", [330, 420, 1000, 2600])
def test_a_short_tone_of_no_network_is_not_called_noise(duration_s, hz):
    x = np.concatenate([S.silence(1), S.tone((hz,), (), duration_s, -25), S.silence(1)])
    assert voice_s(S.a_law(x + S.white(len(x) / 8000 + 1, -60)[: len(x)])) == pytest.approx(
        duration_s, abs=0.1
    )
