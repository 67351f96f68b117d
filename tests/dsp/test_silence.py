"""The silence guard: told once when nobody is there, once when somebody is again."""

from functools import cache

import numpy as np
import pytest

from dsp.silence import SilenceGuard
from dsp.tonality import tonal
from tests.dsp import signals_progress as S
from tests.dsp.corpora import MUSIC, SPEECH, recordings


@cache
def talk():
    """Six seconds of words."""
    longest = [r for r in recordings(SPEECH, False) if len(r) > 24000]
    return np.concatenate(longest)[: 6 * S.RATE].astype(float)


def told(x, limit_s=3.0, guard=None):
    """(port, silent, seconds) of everything the guard says, in 20 ms ticks."""
    guard = guard or SilenceGuard(len(x), limit_s)
    changes = []
    for at in range(0, x.shape[1], 160):
        changes += guard.process(x[:, at : at + 160].astype(np.float32))
    return [(c.port, c.silent, c.at_samples / S.RATE) for c in changes]


def test_01_silence_is_told_once_and_so_is_the_return():
    x = np.concatenate([talk(), S.white(8, -60), talk()])[None, :]
    (port, silent, at), (_, back, back_at) = told(x)
    assert (port, silent, back) == (0, True, False)
    assert 8.5 < at < 9.5 and 14.0 < back_at < 15.5


@pytest.mark.parametrize(
    "nothing",
    [
        S.silence(10),
        S.white(10, -30),
        S.white(10, -55),
        S.tone((50, 150), (), 10, -25),
        np.full(80000, 5000.0),
        np.where(np.arange(80000) % 9000 == 8000, 20000.0, 0.0) + S.white(10, -60),
        np.full(80000, np.nan),
    ],
    ids=["zeros", "loud noise", "noise", "hum", "offset", "crackle", "not a number"],
)
def test_02_what_is_no_sound(nothing):
    changes = told(nothing[None, :])
    assert [silent for _, silent, _ in changes] == [True] and changes[0][2] == pytest.approx(3, abs=1.5)


@pytest.mark.parametrize(
    "tone",
    [
        ((450,), ()),
        ((425,), (1000, 4000)),
        ((480, 620), (500, 500)),
        ((1400,), (100, 1900)),
        ((350, 440), ()),
    ],
)
def test_03_tones_are_sound(tone):
    x = np.stack([S.tone(*tone, 12, level) + S.white(12, level - 25) for level in (-10, -25)])
    assert told(x, 4.5) == []


def test_04_words_and_music_are_sound():
    x = np.stack([np.tile(talk(), 2) * factor + S.white(12, -65) for factor in (1.0, 0.3, 0.05)])
    assert told(x) == []
    for music in recordings(MUSIC, False):
        begin = len(music) // 3
        assert told(music[None, begin : begin + 12 * S.RATE].astype(float), 5.0) == []


def test_05_one_short_word_is_enough():
    pause = S.white(4, -65)
    word = talk()[: 6 * S.RATE]
    start = int(np.argmax(np.abs(word) > 3000))
    x = np.concatenate([pause, word[start : start + 3200] + pause[:3200], pause])[None, :]
    assert [silent for _, silent, _ in told(x)] == [True, False, True]


def test_06_ports_are_told_apart_and_time_stands_still_where_there_is_no_call():
    guard = SilenceGuard(3, 2.0)
    block = np.zeros((3, 160), np.float32)
    there = np.array([True, False, True])
    changes = [c for _ in range(120) for c in guard.process(block, there)]
    assert [(c.port, c.silent, c.at_samples) for c in changes] == [(0, True, 16000), (2, True, 16000)]
    assert guard.silent.tolist() == [True, False, True]
    assert guard.quiet_s == pytest.approx([2.4, 0.0, 2.4])
    assert guard.process(block, np.zeros(3, bool)) == [] and guard.silent.tolist() == [True, False, True]
    guard.reset([0])
    assert guard.silent.tolist() == [False, False, True] and guard.quiet_s[0] == 0
    again = [c for _ in range(101) for c in guard.process(block)]
    assert [(c.port, c.silent) for c in again] == [(0, True), (1, True)]


def test_07_block_length_does_not_matter():
    x = np.concatenate([talk(), S.white(5, -60), talk()])[None, :].astype(np.float32)
    whole, pieces = SilenceGuard(1, 3), SilenceGuard(1, 3)
    expected = whole.process(x)
    assert [c for at in range(0, x.shape[1], 77) for c in pieces.process(x[:, at : at + 77])] == expected
    assert len(expected) == 2 and whole.process(x[:, :0]) == []


def test_08_after_bad_input_sound_is_heard_again():
    for bad in (np.full(40000, np.inf), 32767 * np.sign(S.white(5, 0)), np.full(40000, -1.0)):
        guard = SilenceGuard(1, 3)
        told(bad[None, :], guard=guard)
        told(np.concatenate([S.silence(6), talk()])[None, :], guard=guard)
        assert not guard.silent[0]


def test_09_wrong_settings_are_refused():
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="at least 1 second"):
            SilenceGuard(1, wrong)
    with pytest.raises(ValueError, match="at least one port"):
        SilenceGuard(0, 5)
    with pytest.raises(ValueError, match=r"\[2, n\]"):
        SilenceGuard(2, 5).process(np.zeros((1, 160), np.float32))


def test_10_a_tone_is_one_or_two_lines():
    def window(*frequencies_hz):
        return S.tone(frequencies_hz, (), 0.04, -20)

    tones = np.stack([window(f) for f in (300, 425, 1004, 3600)] + [window(350, 440), window(941, 1633)])
    assert tonal(tones.astype(np.float32)).all()
    none = np.stack([window(50), window(100), window(400, 900, 2000), S.white(0.04, -20), S.silence(0.04)])
    assert not tonal(none.astype(np.float32)).any()
    assert tonal(np.zeros((0, 320), np.float32)).shape == (0,)
