"""Sample rate conversion: tones keep their level and place, what does not fit is gone."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.resample import resample

RATES = [6000, 7919, 8001, 11025, 16000, 22050, 44100, 48000, 96000]


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_the_same_tone(rate):
    for hz in (100, 941, 1633, 2400):
        x = 10000 * np.sin(2 * np.pi * hz * np.arange(rate // 2) / rate)
        y = resample(x.astype(np.float32), rate, 8000)
        assert len(y) == round(rate // 2 * 8000 / rate)
        wanted = 10000 * np.sin(2 * np.pi * hz * np.arange(len(y)) / 8000)
        assert np.abs(y - wanted)[200:-200].max() < 10


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 48000])
def test_what_lies_over_4_khz_does_not_fold_down(rate):
    for hz in (4700, 5200):
        x = 10000 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)
        assert np.abs(resample(x.astype(np.float32), rate, 8000))[200:-200].max() < 30


def test_nothing_stays_nothing_and_the_same_rate_changes_nothing():
    assert len(resample(np.zeros(0, np.float32), 44100, 8000)) == 0
    x = np.arange(10, dtype=np.float32)
    assert np.array_equal(resample(x, 8000, 8000), x)


def test_wrong_rates_and_shapes_are_refused():
    with pytest.raises(ValueError, match="positive"):
        resample(np.zeros(3, np.float32), 0, 8000)
    with pytest.raises(ValueError, match="one recording"):
        resample(np.zeros((2, 3), np.float32), 8000, 16000)
