"""The sound path of a line, measured; the codec; impairments."""

import numpy as np
import pytest
from sim_reference import level_dbm0, tone_dbm0

from board.sim import OfficeConfig, OfficeError, alaw
from board.sim.country import COUNTRIES
from board.sim.sound import SoundPath
from board.sim.tones import Player, ToneTable

QUIET = {"noise_dbm0": -110.0, "hum_dbm0": -110.0, "erl_db": 60.0}


def connected(b, line=0):
    anna = b.office.outside("Anna")
    anna.call(line)
    b.run(0.3)
    b.take(line, 0.2)
    return anna


# -------------------------------------------------------------------- A-law
def test_alaw_known_octets():
    # From ITU-T G.711 table 1a/1b: ends, the values around zero, first of chords 2 and 7.
    samples = np.array([0, -1, 32767, -32768, 512, 16384, -513], dtype=np.int16)
    plain = [0x80, 0x00, 0xFF, 0x7F, 0xA0, 0xF0, 0x20]
    assert alaw.encode(samples).tolist() == [octet ^ 0x55 for octet in plain]


def test_alaw_round_trip_of_all_octets():
    octets = np.arange(256, dtype=np.uint8)
    assert np.array_equal(alaw.encode(alaw.decode(octets)), octets)


def test_alaw_noise_is_that_of_the_standard():
    n = np.arange(16000)
    for level in (0, -10, -20, -30):
        tone = 22827 * 10 ** (level / 20) * np.sin(2 * np.pi * 1020 * n / 8000)
        error = alaw.cross(tone.astype(np.float32)) - tone
        assert level_dbm0(tone) - level_dbm0(error) > 36  # G.712 asks for 33 dB


def test_sound_crosses_alaw_once_each_way(bench, sine):
    """Without loss, noise and echo only values of the law arrive."""
    values = set(alaw.decode(np.arange(256, dtype=np.uint8)).tolist())
    b = bench(loss_db=0.0, **QUIET)
    anna = connected(b)
    anna.say(sine(1020, -10, 1))
    to_box = b.run(0.5)[0][800:]
    # The rest of noise, hum and echo at -60 dB of nothing may move a sample by one.
    near = {v + d for v in values for d in (-1, 0, 1)}
    assert np.mean([int(v) in near for v in to_box]) > 0.99
    b.run(0.5, {0: sine(700, -10, 0.5)})
    assert set(anna.heard(0.4).tolist()) <= values


def test_a_port_that_becomes_active_brings_no_sound_of_old():
    config = OfficeConfig.from_dict(
        {"lines": 0, "phones": 1, "phone": {"noise_dbm0": -120, "hum_dbm0": -120, "tilt_db": 6}}
    )
    path = SoundPath(config.lines, config.phones, seed=1, hum_hz=50)
    path.set_active([0])
    loud = np.full((1, 160), 20000, dtype=np.int16)
    path.carry(0, loud.astype(np.float32), loud)
    path.set_active([])
    path.set_active([0])
    _, to_box, to_far = path.carry(320, np.zeros((1, 160), dtype=np.float32), np.zeros_like(loud))
    assert np.abs(to_box).max() <= 1
    assert not to_far.any()


# --------------------------------------------------------------------- path
@pytest.mark.parametrize("loss_db", [0.0, 3.0, 8.0])
def test_loss_holds_both_ways(bench, sine, loss_db):
    b = bench(loss_db=loss_db, **QUIET)
    anna = connected(b)
    anna.say(sine(1020, -10, 1))
    sound = b.run(1, {0: sine(1500, -10, 1)})[0]
    assert tone_dbm0(sound[1600:7200], 1020) == pytest.approx(-10 - loss_db, abs=0.2)
    assert tone_dbm0(anna.heard(0.8), 1500) == pytest.approx(-10 - loss_db, abs=0.2)


def test_tilt_lowers_the_treble(bench, sine):
    b = bench(loss_db=3.0, tilt_db=6.0, **QUIET)
    anna = connected(b)
    levels = {}
    for hz in (300, 1020, 3400):
        anna.say(sine(hz, -10, 0.5))
        levels[hz] = tone_dbm0(b.run(0.5)[0][800:3600], hz)
    assert levels[300] - levels[3400] == pytest.approx(6.0, abs=0.3)
    assert levels[1020] == pytest.approx(-13, abs=0.3)


def test_noise_and_hum_have_their_levels(bench):
    b = bench(country="US", noise_dbm0=-55.0, hum_dbm0=-110.0)
    connected(b)
    assert level_dbm0(b.run(4)[0]) == pytest.approx(-55, abs=0.3)
    b.office.line(0).change(noise_dbm0=-110.0, hum_dbm0=-45.0)
    sound = b.run(4)[0]
    assert level_dbm0(sound[800:]) == pytest.approx(-45, abs=0.3)
    assert tone_dbm0(sound[800:], 60) > tone_dbm0(sound[800:], 120) > tone_dbm0(sound[800:], 50) + 20


@pytest.mark.parametrize("erl_db", [6.0, 14.0, 20.0])
@pytest.mark.parametrize("delay_ms", [0.0, 2.0])
def test_hybrid_echo_has_its_level_and_delay(bench, noise, erl_db, delay_ms):
    b = bench(**{**QUIET, "erl_db": erl_db}, echo_delay_ms=delay_ms)
    connected(b)
    played = noise(-15, 2)
    sound = b.run(2, {0: played})[0].astype(float)
    assert level_dbm0(sound[800:]) == pytest.approx(-15 - erl_db, abs=0.7)
    lags = [float(np.dot(sound[400:15000], played[400 - k : 15000 - k])) for k in range(60)]
    assert int(np.argmax(np.abs(lags))) == delay_ms * 8
    assert np.abs(lags[: int(delay_ms * 8)]).max(initial=0) < 0.1 * max(lags)


def test_far_echo_returns_after_its_delay(bench, noise):
    b = bench(**QUIET, loss_db=3.0, far_echo_db=-12.0, far_echo_ms=40.0)
    connected(b)
    played = noise(-15, 2)
    sound = b.run(2, {0: played})[0].astype(float)
    assert level_dbm0(sound[800:]) == pytest.approx(-15 - 3 - 12 - 3, abs=0.7)
    lags = [float(np.dot(sound[800:15000], played[800 - k : 15000 - k])) for k in range(600)]
    assert int(np.argmax(lags)) == 320


def test_overload_is_limited_not_wrapped(bench):
    b = bench(loss_db=0.0, **QUIET)
    anna = connected(b)
    anna.say(np.full(8000, 32767, dtype=np.int16))
    b.run(0.5)
    assert b.run(0.2, {0: np.full(1600, 32767, dtype=np.int16)})[0].min() > 30000
    assert anna.heard(0.1).min() > 30000


def test_lines_do_not_hear_each_other(bench, sine):
    b = bench(lines=4, **QUIET)
    people = [b.office.outside(f"P{i}") for i in range(4)]
    for i, person in enumerate(people):
        person.call(i)
        b.take(i, 0.1)
        person.say(sine(500 + 400 * i, -10, 1))
    sound = b.run(1)
    for i in range(4):
        for k in range(4):
            level = tone_dbm0(sound[i][800:7200], 500 + 400 * k)
            assert level > -14 if i == k else level < -50


def test_a_change_of_polarity_clicks(bench):
    b = bench(polarity_reversal=True, answer_reversal_ms=50, **QUIET)
    b.office.outside("Anna").call(0)
    b.run(0.5)
    sound = np.abs(b.take(0, 0.5)[0].astype(int))
    loud = np.flatnonzero(sound > 1000)
    assert loud[0] == 400
    assert loud[-1] < 400 + 160


def test_changing_unknown_or_impossible_settings_is_refused(bench):
    line = bench().office.line(0)
    with pytest.raises(OfficeError, match="unknown setting"):
        line.change(los_db=3)
    with pytest.raises(OfficeError, match="between"):
        line.change(loss_db=300)


# -------------------------------------------------------------------- tones
@pytest.mark.parametrize("code", sorted(COUNTRIES))
def test_every_country_has_a_whole_set_of_tones(code):
    country = COUNTRIES[code]
    assert set(country.tones) == {"dial", "ringback", "busy", "congestion", "unobtainable", "howler"}
    assert len(country.ring_cadence_ms) % 2 == 0


@pytest.mark.parametrize("error", [0.0, 1.3, -2.0])
def test_steady_tones_repeat_without_a_click(error):
    table = ToneTable(COUNTRIES["CN"].tones["dial"], freq_error_percent=error)
    player = Player(0, table=table)
    sound = np.zeros((1100, 160), dtype=np.float32)
    for i in range(1100):
        player.fill(sound[i], i * 160)
    step = np.abs(np.diff(sound.reshape(-1))).max()
    peak = 22827 * 10 ** (-10 / 20)
    assert step <= peak * 2 * np.pi * 450 * (1 + error / 100) / 8000 * 1.01
    assert tone_dbm0(sound.reshape(-1)[:16000], 450 * (1 + error / 100)) == pytest.approx(-10, abs=0.1)


def test_a_tone_starts_at_its_sample():
    table = ToneTable(COUNTRIES["CN"].tones["busy"])
    out = np.ones(160, dtype=np.float32)
    player = Player(1000, table=table)
    player.fill(out, 800)
    assert not out.any()
    player.fill(out, 960)
    assert not out[:41].any()
    assert out[41:].any()
