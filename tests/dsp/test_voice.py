"""Voice activity: speech, and neither tone nor noise nor silence."""

import numpy as np
import pytest

from dsp.voice import VoiceActivity
from tests.dsp import signals_progress as S
from tests.dsp.corpora import SPEECH, recordings


def share(x):
    """Share of the 20 ms frames that are voice, per port."""
    detector = VoiceActivity(len(x))
    frames = [detector.process(x[:, at : at + 160]).copy() for at in range(0, x.shape[1] - 159, 160)]
    return np.mean(frames, axis=0)


@pytest.mark.parametrize("level", [-10, -25, -40])
def test_01_speech_at_any_level(level):
    speech = np.concatenate([r for r in recordings(SPEECH, False) if len(r) > 30000][:4]).astype(float)
    x = S.at_level(speech, level) + S.white(len(speech) / 8000 + 1, -65)[: len(speech)]
    assert share(x[None, :])[0] > 0.6


def test_02_no_voice_in_silence_noise_and_tones():
    x = np.stack(
        [
            np.zeros(40000),
            S.white(5, -55),
            S.white(5, -35),
            S.tone((450,), (), 5, -15),
            S.tone((50,), (), 5, -20),
        ]
    )
    assert share(x).max() < 0.06


def test_03_the_noise_floor_is_found():
    detector = VoiceActivity(1)
    detector.process(S.white(4, -50)[None, :])
    assert detector.floor_dbm0[0] == pytest.approx(-50, abs=3)
    detector.reset([0])
    assert detector.floor_dbm0[0] == -60 and not detector.voice[0]


def test_04_block_length_does_not_matter_and_bad_samples_pass():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1000, (2, 4800)) * np.repeat(rng.uniform(0, 1, (2, 30)), 160, axis=1)
    x[0, 100] = np.nan
    a, b = VoiceActivity(2), VoiceActivity(2)
    a.process(x)
    for at in range(0, 4800, 77):
        b.process(x[:, at : at + 77])
    assert (a.voice == b.voice).all() and a.level_dbm0 == pytest.approx(b.level_dbm0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -3e38, 1e20])
@pytest.mark.parametrize("active", [None, np.array([True, True]), np.array([False, True])])
def test_05_a_sample_that_no_sound_has_makes_no_port_deaf(bad, active):
    rng = np.random.default_rng(2)
    detector = VoiceActivity(2)
    x = rng.normal(0, 1000, (2, 160)).astype(np.float32)
    x[0, 7] = bad
    detector.process(x, active)
    for _ in range(100):
        detector.process(np.zeros((2, 160), np.float32))
    assert not detector.voice.any() and (detector.floor_dbm0 < -70).all()
    for loud in rng.uniform(0, 3000, 20):
        detector.process(rng.normal(0, loud, (2, 160)))
    assert detector.voice.all()
