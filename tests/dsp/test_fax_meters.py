"""Fax tones and line meters."""

import numpy as np
import pytest

from dsp.fax import FaxDetector
from dsp.meters import LineMeters
from tests.dsp import signals_progress as S
from tests.dsp.corpora import SPEECH, in_rows, recordings


@pytest.mark.parametrize("offset_hz", [-36, 0, 36])
@pytest.mark.parametrize("level", [-8, -38])
def test_01_calling_tone(offset_hz, level):
    x = S.tone((1100 + offset_hz,), (500, 3000), 4, level) + S.white(4, level - 20)
    found = FaxDetector(1).process(x[None, :])
    assert [f.tone for f in found] == ["fax-cng"] and found[0].start_samples <= 320


@pytest.mark.parametrize("offset_hz", [-14, 0, 14])
def test_02_answering_tone(offset_hz):
    x = np.concatenate([S.silence(1), S.tone((2100 + offset_hz,), (), 3, -20), S.silence(1)])
    found = FaxDetector(1).process(x[None, :])
    assert [f.tone for f in found] == ["fax-ced"]
    assert found[0].start_samples == pytest.approx(8000, abs=320)


def test_03_phase_reversals_are_a_modem():
    t = np.arange(32000) / 8000
    sign = np.where((t // 0.45).astype(int) % 2, 1, -1)
    found = FaxDetector(1).process((4000 * sign * np.sin(2 * np.pi * 2100 * t))[None, :])
    assert {f.tone for f in found} == {"fax-ced", "modem"}


def test_04_too_long_or_off_frequency_is_none():
    long = S.tone((1100,), (900, 3000), 4, -15)
    for x in (
        long,
        S.tone((1180,), (500, 3000), 4, -15),
        S.tone((2150,), (), 3),
    ):
        assert FaxDetector(1).process(x[None, :]) == []


def test_05_no_fax_in_speech():
    assert FaxDetector(64).process(in_rows(recordings(SPEECH, False), 64)) == []


def test_06_levels_noise_and_peak():
    x = np.stack([S.tone((1000,), (), 1, -10), S.white(1, -30), np.zeros(8000)])
    meters = LineMeters(3)
    assert meters.process(x)
    assert meters.level_dbm0 == pytest.approx([-10, -30, -100], abs=0.2)
    assert meters.peak_dbm0[0] == pytest.approx(-10, abs=0.05)
    assert meters.noise_dbm0[1] == pytest.approx(-30, abs=1)


def test_07_hum_of_either_mains():
    x = np.stack([S.tone((50, 100), (), 1, -30), S.tone((60,), (), 1, -40)]) + S.white(1, -70)
    meters = LineMeters(2)
    meters.process(x)
    assert meters.hum_50_dbm0[0] == pytest.approx(-27, abs=0.2) and meters.hum_60_dbm0[0] < -55
    assert meters.hum_60_dbm0[1] == pytest.approx(-40, abs=0.2)


def test_08_echo_return_loss_and_clipping():
    far = S.white(1, -20)[None, :]
    meters = LineMeters(1)
    assert np.isnan(meters.erl_db[0])
    near = np.roll(far, 24, axis=1) * 10 ** (-12 / 20)
    near[0, :5] = 32767
    meters.process(near, far)
    assert meters.erl_db[0] == pytest.approx(12, abs=1) and meters.clipped[0] == 5


def test_09_meters_take_any_block_and_bad_samples():
    x = S.white(1, -20)[None, :].copy()
    x[0, 10:13] = np.nan, 1e20, -np.inf
    whole, pieces = LineMeters(1), LineMeters(1)
    whole.process(x)
    assert sum(pieces.process(x[:, at : at + 99]) for at in range(0, 8000, 99)) == 1
    assert pieces.level_dbm0 == pytest.approx(whole.level_dbm0) and np.isfinite(whole.level_dbm0).all()
    assert whole.clipped[0] == 2 and np.isfinite([whole.peak_dbm0[0], whole.hum_50_dbm0[0]]).all()
    pieces.reset([0])
    assert pieces.level_dbm0[0] == -100


def test_the_second_calling_tone_in_its_time_makes_it_sure():
    def bursts(gap_s):
        one = S.tone((1100,), (), 0.5, -15)
        return np.concatenate(
            [S.silence(0.5), one, S.silence(gap_s), one, S.silence(gap_s), one, S.silence(1)]
        )

    found = FaxDetector(1).process(bursts(3.0)[None, :])
    assert [(f.tone, f.bursts) for f in found] == [("fax-cng", 1), ("fax-cng", 2)]
    for gap_s in (1.0, 5.0):
        assert [f.bursts for f in FaxDetector(1).process(bursts(gap_s)[None, :])] == [1]
    detector = FaxDetector(1)
    detector.process(bursts(3.0)[None, :])
    detector.reset([0])
    assert [f.bursts for f in detector.process(bursts(3.0)[None, :])] == [1, 2]
