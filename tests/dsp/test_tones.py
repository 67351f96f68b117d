"""The tone generator: level, cadence, phase, clicks, any cutting of time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.tones import ToneGenerator, ToneSpec, sequence_samples
from tests.dsp import signals

BUSY = ToneSpec((((450.0,), -10.0, 350.0), ((), -10.0, 350.0)), repeat=True)
DIAL = ToneSpec((((350.0, 440.0), -13.0, None),))


def level_dbm0(x):
    return 20 * np.log10(np.sqrt(np.mean(x.astype(float) ** 2)) / signals.rms(0))


def test_cadence_and_level_are_those_asked_for():
    x = sequence_samples(BUSY, 1400)
    assert len(x) == 11200
    for start in (0, 700):
        on = x[(start + 5) * 8 : (start + 345) * 8]
        off = x[(start + 350) * 8 : (start + 700) * 8]
        assert level_dbm0(on) == pytest.approx(-10, abs=0.1)
        assert not off.any()


def test_two_frequencies_have_the_level_each():
    x = sequence_samples(DIAL, 1000)[800:].astype(float)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) / (np.hanning(len(x)).sum() / 2)
    hz = np.fft.rfftfreq(len(x), 1 / 8000)
    for f in (350, 440):
        peak = spectrum[np.abs(hz - f) < 5].max()
        assert 20 * np.log10(peak / signals.peak(0)) == pytest.approx(-13, abs=0.1)


def test_a_modulated_tone_has_carrier_and_side_bands_only():
    spec = ToneSpec((((400.0, 25.0), -10.0, None),), modulated=True)
    x = sequence_samples(spec, 2000)[1600:9600].astype(float)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x))))
    strong = np.fft.rfftfreq(len(x), 1 / 8000)[spectrum > 0.1 * spectrum.max()]
    assert set(np.round(strong / 25).astype(int)) == {15, 16, 17}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=25))
def test_any_cutting_of_time_gives_the_same_samples(chunks):
    generator = ToneGenerator(2)
    generator.start(1, BUSY)
    pieces = np.concatenate([generator.render(n) for n in chunks], axis=1)
    whole = sequence_samples(BUSY, sum(chunks) / 8)
    assert np.array_equal(pieces[1], whole)
    assert not pieces[0].any()


def test_no_edge_clicks():
    """A sudden start or stop of 450 Hz would spread over the band; here nothing reaches 2 kHz."""
    generator = ToneGenerator(1)
    generator.start(0, BUSY)
    x = [generator.render(1000)]
    generator.stop(0)
    x.append(generator.render(500))
    generator.start(0, DIAL)
    x.append(generator.render(777))
    generator.start(0, BUSY)
    x.append(generator.render(800))
    wave = np.concatenate(x, axis=1)[0].astype(float)
    for at in range(0, len(wave) - 256, 64):
        spectrum = np.abs(np.fft.rfft(wave[at : at + 256] * np.hanning(256))) / 64
        assert spectrum[np.fft.rfftfreq(256, 1 / 8000) > 2000].max() < signals.peak(-55)


def test_stop_fades_within_3_ms_and_then_is_silent():
    generator = ToneGenerator(1)
    generator.start(0, DIAL)
    generator.render(160)
    generator.stop(0)
    assert not generator.is_playing(0)
    tail = generator.render(160)[0]
    assert tail[:8].any() and not tail[24:].any()


def test_a_tone_that_ends_stops_playing():
    generator = ToneGenerator(1)
    generator.start(0, ToneSpec((((440.0,), -10.0, 30.0),)))
    assert generator.render(160)[0].any() and generator.is_playing(0)
    generator.render(160)
    assert not generator.is_playing(0) and not generator.render(160).any()


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ((), "at least one segment"),
        ((((4100.0,), -10.0, 10.0),), "frequencies"),
        ((((440.0,), 10.0, 10.0),), "level"),
        ((((440.0,), -10.0, 0.0),), "duration"),
        ((((440.0,), -10.0, None), ((), -10.0, 10.0)), "only the last"),
    ],
)
def test_a_wrong_spec_is_refused_with_a_reason(segments, reason):
    with pytest.raises(ValueError, match=reason):
        ToneSpec(segments)


def test_an_unknown_port_is_refused():
    with pytest.raises(IndexError, match="no port 3"):
        ToneGenerator(2).start(3, DIAL)
