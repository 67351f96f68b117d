"""The transforms that the canceller is made of, against numpy in double precision."""

from __future__ import annotations

import numpy as np

from dsp.fft import backward, forward


def test_both_ways_are_those_of_numpy_in_single_precision():
    x = np.random.default_rng(1).normal(0, 3000, (5, 432)).astype(np.float32)
    spectrum = forward(x)
    assert spectrum.dtype == np.complex64
    wanted = np.fft.rfft(x.astype(float)) / np.sqrt(432)
    assert np.abs(spectrum - wanted).max() < 1e-5 * np.abs(wanted).max()
    back = backward(spectrum, 432)
    assert back.dtype == np.float32
    assert np.abs(back - x).max() < 1e-5 * np.abs(x).max()


def test_a_product_with_a_filters_spectrum_is_convolution():
    rng = np.random.default_rng(2)
    x, h = rng.normal(0, 1, (3, 300)), rng.normal(0, 1, (3, 100))
    found = backward(forward(np.pad(x, ((0, 0), (0, 132))).astype(np.float32)) * np.fft.rfft(h, 432), 432)
    wanted = np.stack([np.convolve(a, b) for a, b in zip(x, h, strict=True)])
    assert np.abs(found[:, :399] - wanted).max() < 1e-4


def test_results_may_go_into_arrays_that_are_there():
    x = np.random.default_rng(3).normal(0, 1, (2, 96)).astype(np.float32)
    spectrum, wave = np.empty((2, 49), np.complex64), np.empty((2, 96), np.float32)
    assert forward(x, spectrum) is spectrum
    assert backward(spectrum, 96, wave) is wave
    assert np.allclose(wave, x, atol=1e-5)
