"""Learning a line's disconnect tone from ordinary calls."""

import numpy as np
import pytest

from dsp.learn import ToneLearner, learn, observe
from tests.dsp import signals_progress as S
from tests.dsp.corpora import MUSIC, SPEECH, recordings

VOICE = np.concatenate(recordings(SPEECH, False)[10:40]).astype(float)


def call(frequencies_hz, cadence_ms, seed, level_dbm0=-20.0, duration_s=6.0):
    rng = np.random.default_rng(seed)
    at = int(rng.integers(0, len(VOICE) - 40000))
    tone = S.tone(frequencies_hz, cadence_ms, duration_s, level_dbm0, 0, rng.uniform(-0.01, 0.01), seed=seed)
    x = np.concatenate([VOICE[at : at + 40000], S.silence(rng.uniform(0.2, 1)), tone])
    return S.a_law(x + S.white(len(x) / 8000 + 1, level_dbm0 - 30, seed)[: len(x)])


@pytest.mark.parametrize(
    ("frequencies_hz", "cadence_ms"),
    [((450.0,), (350, 350)), ((425.0,), (200, 200)), ((480.0, 620.0), (500, 500)), ((613.0,), (180, 420))],
)
def test_01_a_tone_is_learned(frequencies_hz, cadence_ms):
    found = learn([call(frequencies_hz, cadence_ms, seed) for seed in range(4)])
    assert found["frequencies_hz"] == pytest.approx(list(frequencies_hz), abs=3)
    assert found["on_ms"] == pytest.approx(cadence_ms[0], abs=20)
    assert found["off_ms"] == pytest.approx(cadence_ms[1], abs=20)
    assert found["confidence"] > 0.9


def test_02_one_call_proves_little_and_a_wrong_one_counts_against():
    one = learn([call((450.0,), (350, 350), 1)])["confidence"]
    three = learn([call((450.0,), (350, 350), seed) for seed in range(3)])["confidence"]
    others = [VOICE[:40000], VOICE[40000:80000]]
    mixed = learn([*(call((450.0,), (350, 350), seed) for seed in range(3)), *others])
    assert one <= 0.5 < three and mixed["confidence"] < three
    assert mixed["frequencies_hz"] == pytest.approx([450], abs=2)


def test_03_ringback_is_never_learned():
    assert observe(call((450.0,), (1000, 4000), 1, duration_s=14)) is None


def test_04_speech_and_music_teach_nothing():
    pieces = [r for r in recordings(SPEECH, False) if len(r) > 16000][:30]
    for music in recordings(MUSIC, False):
        pieces += [music[at : at + 80000] for at in range(0, len(music) - 80000, 400000)]
    assert sum(observe(piece) is not None for piece in pieces) <= 1
    assert learn(pieces[:20])["confidence"] <= 0.1


def test_05_a_line_forgets_when_the_exchange_changes():
    learner = ToneLearner()
    for seed in range(2):
        learner.add(call((450.0,), (350, 350), seed))
    assert learner.tone() is None, "two calls are not enough"
    learner.add(call((450.0,), (350, 350), 2))
    old = learner.tone()
    assert old is not None and old.frequencies_hz == pytest.approx((450,), abs=2)
    for seed in range(3, 6):
        learner.add(call((425.0,), (500, 500), seed))
    learner.add(call((425.0,), (500, 500), 6))
    new = learner.tone()
    assert new is not None and new.frequencies_hz == pytest.approx((425,), abs=2)
    assert new.on_ms == pytest.approx(500, abs=20)


@pytest.mark.parametrize("x", [np.zeros(0), np.zeros(40000), np.full(40000, np.nan), S.white(5, -10)])
def test_06_nothing_to_learn(x):
    assert learn([x]) == {"frequencies_hz": [], "on_ms": None, "off_ms": None, "confidence": 0.0}


def test_07_no_recordings():
    assert learn([])["confidence"] == 0.0
