"""The transform that detectors share, against numpy in double precision."""

from __future__ import annotations

import numpy as np

from dsp.fft import forward


def test_it_is_that_of_numpy_in_single_precision():
    x = np.random.default_rng(1).normal(0, 3000, (5, 432)).astype(np.float32)
    spectrum = forward(x)
    assert spectrum.dtype == np.complex64
    wanted = np.fft.rfft(x.astype(float)) / np.sqrt(432)
    assert np.abs(spectrum - wanted).max() < 1e-5 * np.abs(wanted).max()
