"""Mixer: who hears whom, without clicks and without wrapping around."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.mix import Mixer, conference, db, listen, whisper


def settled(matrix, x, **gains):
    mixer = Mixer(len(x))
    mixer.set_matrix(matrix)
    if gains:
        mixer.set_gains(range(len(x)), **gains)
    mixer.process(x)
    return mixer.process(x)


def test_01_in_a_conference_each_hears_the_others():
    x = np.array([[100.0], [20.0], [3.0], [7000.0]], np.float32) * np.ones((1, 160), np.float32)
    out = settled(conference((0, 1, 2), 4), x)
    assert out[:, 0].tolist() == [23.0, 103.0, 120.0, 0.0]


def test_02_whisper_reaches_only_the_agent():
    x = np.array([[1.0], [10.0], [100.0]], np.float32) * np.ones((1, 160), np.float32)
    out = settled(whisper(coach=0, agent=1, customer=2, size=3), x)
    assert out[:, 0].tolist() == [110.0, 101.0, 10.0]


def test_03_listening_is_not_heard():
    x = np.array([[1.0], [10.0], [100.0]], np.float32) * np.ones((1, 160), np.float32)
    out = settled(conference((1, 2), 3) + listen(0, (1, 2), 3), x)
    assert out[:, 0].tolist() == [110.0, 100.0, 10.0]


def test_04_a_change_fades_over_one_block():
    mixer = Mixer(2)
    x = np.zeros((2, 160), np.int16)
    x[1] = 10000
    mixer.set_pair(0, 1, 1.0)
    first = mixer.process(x)[0]
    assert first[0] == pytest.approx(10000 / 160, rel=1e-3) and first[-1] == pytest.approx(10000)
    assert np.diff(first).max() < 100
    mixer.set_pair(0, 1, 0.0)
    last = mixer.process(x)[0]
    assert last[0] == pytest.approx(10000, rel=0.01) and last[-1] == pytest.approx(0)
    assert np.abs(np.diff(last)).max() < 100


@given(st.lists(st.integers(-32768, 32767), min_size=3, max_size=3), st.integers(1, 400))
def test_05_sums_saturate_and_never_wrap(values, n):
    x = np.array(values, np.int16)[:, None] * np.ones((1, n), np.int16)
    mixer = Mixer(3)
    mixer.set_matrix(np.full((3, 3), 2.0, np.float32))
    out = np.empty((3, n), np.int16)
    mixer.process(x, out)
    mixer.process(x, out)
    wanted = max(-32768, min(32767, 2 * sum(values)))
    assert (out == wanted).all()


def test_06_port_gains_in_and_out():
    x = np.ones((2, 160), np.float32) * 1000
    out = settled(conference((0, 1), 2), x, gain_in=db(6), gain_out=db(-12))
    assert out[0, 0] == pytest.approx(1000 * 10 ** (-6 / 20), rel=1e-4)


def test_07_the_output_array_is_used():
    mixer = Mixer(2)
    mixer.set_matrix(conference((0, 1), 2))
    out = np.empty((2, 160), np.float32)
    assert mixer.process(np.zeros((2, 160), np.float32), out) is out


def test_08_not_a_number_harms_nobody():
    mixer = Mixer(2)
    mixer.set_matrix(conference((0, 1), 2))
    mixer.process(np.full((2, 160), np.nan, np.float32))
    assert np.isfinite(mixer.process(np.full((2, 160), np.inf, np.float32))).all()
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="number"):
            mixer.set_pair(0, 1, wrong)


def test_09_reset_silences_a_port_at_once():
    mixer = Mixer(3)
    mixer.set_matrix(conference((0, 1, 2), 3))
    x = np.ones((3, 160), np.float32)
    mixer.process(x)
    mixer.reset([2])
    assert mixer.process(x)[:, 0].tolist() == [1.0, 1.0, 0.0]


def test_10_wrong_shapes_say_so():
    with pytest.raises(ValueError, match="at least one port"):
        Mixer(0)
    with pytest.raises(ValueError, match=r"\[2, n\]"):
        Mixer(2).process(np.zeros((3, 160), np.float32))
    with pytest.raises(ValueError, match="matrix must be"):
        Mixer(2).set_matrix(np.zeros((3, 3)))


def test_11_ports_that_take_no_part_change_nothing_for_the_others():
    rng = np.random.default_rng(5)
    alone, among = Mixer(3), Mixer(64)
    place = [60, 2, 31]
    out = rng.normal(0, 3000, (64, 160)).astype(np.float32)
    for matrix in (conference((0, 1, 2), 3), listen(2, (0,), 3), np.zeros((3, 3)), conference((0, 2), 3)):
        wide = np.zeros((64, 64))
        wide[np.ix_(place, place)] = matrix
        alone.set_matrix(matrix)
        among.set_matrix(wide)
        for _ in range(3):
            x = rng.normal(0, 3000, (64, 160)).astype(np.float32)
            among.process(x, out)
            assert out[place] == pytest.approx(alone.process(x[place]), abs=0.01)
            assert not np.delete(out, place, axis=0).any()


@pytest.mark.parametrize("more", [0.0, 0.5])
def test_plain_calls_are_what_the_matrix_says_with_any_gain_and_bad_samples_do_no_harm(more):
    mixer = Mixer(4)
    mixer.set_matrix(conference((0, 1), 4) + conference((2, 3), 4) * -0.5)
    mixer.set_pair(0, 3, more)  # with it somebody hears two
    x = np.random.default_rng(3).normal(0, 9000, (4, 160)).astype(np.float32)
    mixer.process(x)
    assert mixer.process(x) == pytest.approx(np.clip(mixer.matrix @ x, -32768, 32767), abs=0.01)
    x[1, 7], x[2, 8] = np.nan, np.inf
    out = mixer.process(x)
    assert np.isfinite(out).all() and out[0, 7] == pytest.approx(more * x[3, 7], abs=0.01)
    assert out[3, 8] < -16000 and np.abs(out).max() <= 32768
