"""Levels, and G.711 against the segment rule written out once more, octet by octet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp import g711, levels
from tests.dsp import signals

OCTETS = np.arange(256, dtype=np.uint8)
LINEAR = np.arange(-32768, 32768).astype(np.int16)


def alaw_value(octet):
    """G.711 table 1: sign, segment, interval; 13 bits shown left-justified in 16."""
    octet ^= 0x55
    segment, step = octet >> 4 & 7, octet & 15
    magnitude = (2 * step + 1) << 3 if segment == 0 else (2 * step + 33) << (segment + 2)
    return magnitude if octet & 0x80 else -magnitude


def ulaw_value(octet):
    """G.711 table 2: 14 bits shown left-justified in 16."""
    octet ^= 0xFF
    segment, step = octet >> 4 & 7, octet & 15
    magnitude = (((2 * step + 33) << segment) - 33) << 2
    return -magnitude if octet & 0x80 else magnitude


def test_every_octet_decodes_as_the_tables_of_g711_say():
    assert g711.alaw_decode(OCTETS).tolist() == [alaw_value(o) for o in range(256)]
    assert g711.ulaw_decode(OCTETS).tolist() == [ulaw_value(o) for o in range(256)]


def test_decoding_then_encoding_gives_the_same_octet():
    assert (g711.alaw_encode(g711.alaw_decode(OCTETS)) == OCTETS).all()
    back = g711.ulaw_encode(g711.ulaw_decode(OCTETS))
    assert np.flatnonzero(back != OCTETS).tolist() == [0x7F]  # minus zero becomes plus zero
    assert back[0x7F] == 0xFF


@pytest.mark.parametrize(
    ("encode", "decode"), [(g711.alaw_encode, g711.alaw_decode), (g711.ulaw_encode, g711.ulaw_decode)]
)
def test_encoding_takes_the_nearest_value(encode, decode):
    values = np.sort(decode(OCTETS).astype(int))
    linear = LINEAR.astype(int)
    above = np.searchsorted(values, linear).clip(1, 255)
    nearest = np.minimum(np.abs(values[above] - linear), np.abs(values[above - 1] - linear))
    off = np.abs(decode(encode(LINEAR)).astype(int) - linear)
    # Where segments meet, the decision value is not the middle between the two outputs.
    assert (off - nearest <= np.abs(linear) / 48 + 8).all()


def test_wrong_sample_types_are_refused_with_a_reason():
    with pytest.raises(TypeError, match="saturation"):
        g711.alaw_encode(np.zeros(4, np.float32))
    with pytest.raises(TypeError, match="uint8"):
        g711.ulaw_decode(np.zeros(4, np.int16))


def test_0_dbm0_is_a_sine_3_14_db_under_overload():
    assert levels.peak_from_dbm0(0.0) == pytest.approx(22827, abs=1)
    assert levels.peak_from_dbm0(3.14) == pytest.approx(32768)


@given(st.floats(-60, 3))
def test_the_level_of_a_sine_is_measured_as_it_was_made(dbm0):
    x = np.stack([signals.tone(1000, 100, dbm0), signals.silence(100)]).astype(np.float32)
    measured = levels.rms_dbm0(x)
    assert measured[0] == pytest.approx(dbm0, abs=0.01)
    assert measured[1] == levels.SILENCE_DBM0


@given(st.floats(-90, 3))
def test_levels_and_amplitudes_convert_both_ways(dbm0):
    assert levels.dbm0_from_peak(levels.peak_from_dbm0(dbm0)) == pytest.approx(dbm0)
    assert levels.dbm0_from_rms(levels.rms_from_dbm0(dbm0)) == pytest.approx(dbm0)


def test_levels_of_nothing_and_of_garbage_are_silence():
    assert levels.rms_dbm0(np.zeros((2, 0), np.float32)).tolist() == [levels.SILENCE_DBM0] * 2
    assert levels.rms_dbm0(np.full((1, 8), np.nan, np.float32))[0] == levels.SILENCE_DBM0
    assert levels.dbm0_from_peak(float("nan")) == levels.SILENCE_DBM0
