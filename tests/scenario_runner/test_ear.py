"""The ear: hears what is there through bad lines, and nothing that is not."""

import numpy as np
import pytest

from appliance.scenario import sounds
from appliance.scenario.ear import (
    KNOWN_AT,
    Cadence,
    LoopListener,
    SoundListener,
    Tape,
    hears_tone,
    hears_voice,
    keys_heard,
)
from appliance.scenario.sounds import RATE_HZ
from appliance.scenario.stage import _cadences

SPEECH = ("demo-instruct", "vm-options", "vm-instructions", "demo-congrats", "vm-goodbye", "vm-press")


def speech(name):
    return sounds.load(sounds.find(name, sounds.SPOKEN_SOUNDS))


def line(audio, gain_db=-12.0, noise_dbm0=-45.0, seed=1):
    """A poor line: loss, a dull filter, noise, rounding."""
    rng = np.random.default_rng(seed)
    dull = np.convolve(audio.astype(np.float64), [0.2, 0.5, 0.25, 0.05])[: len(audio)]
    noise = rng.normal(0.0, 22827 / np.sqrt(2) * 10 ** (noise_dbm0 / 20), len(audio))
    return sounds.to_int16(dull * 10 ** (gain_db / 20) + noise)


def tape_of(*parts):
    tape = Tape()
    for part in parts:
        tape.append(part)
    return tape


def silence(seconds):
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


@pytest.mark.parametrize("name", SPEECH)
def test_a_prompt_is_found_where_it_is(name):
    wanted = speech(name)
    tape = tape_of(line(np.concatenate((silence(1.37), wanted, silence(2)))))
    found = SoundListener(wanted, 0).listen(tape)
    assert found is not None
    assert abs(found.begin - round(1.37 * RATE_HZ)) < 10


@pytest.mark.parametrize("name", SPEECH)
def test_no_prompt_is_taken_for_another(name):
    wanted = speech(name)
    for other in SPEECH:
        if other != name:
            tape = tape_of(speech(other), silence(2))
            assert SoundListener(wanted, 0).listen(tape) is None, other


def test_the_whole_prompt_is_not_there_when_it_is_cut():
    wanted = speech("demo-instruct")
    cut = tape_of(wanted[: len(wanted) // 2], silence(len(wanted) / RATE_HZ))
    assert SoundListener(wanted, 0).listen(cut) is not None
    assert SoundListener(wanted, 0, whole=True).listen(cut) is None
    assert SoundListener(wanted, 0, whole=True).listen(tape_of(wanted, silence(1))) is not None


def test_a_prompt_is_found_however_the_sound_arrives():
    wanted = speech("vm-options")
    tape, listener = Tape(), SoundListener(wanted, 0)
    stream = np.concatenate((silence(3.1), wanted, silence(1)))
    hits = []
    for n in range(0, len(stream) - 159, 160):
        tape.append(stream[n : n + 160])
        if n % 800 == 0 and listener.listen(tape) is not None:
            hits.append(n / RATE_HZ)
    assert len(hits) == 1


def test_music_is_known_at_any_place_and_speech_is_no_music():
    music = speech("demo-congrats")[2 * RATE_HZ : 12 * RATE_HZ]
    listener = LoopListener(music)
    middle = music[3 * RATE_HZ : 5 * RATE_HZ]
    assert listener.likeness(tape_of(line(middle))) > KNOWN_AT
    turn = np.concatenate((music[-RATE_HZ:], music[:RATE_HZ]))
    assert listener.likeness(tape_of(line(turn))) > KNOWN_AT
    assert listener.likeness(tape_of(speech("vm-options")[:16000])) < KNOWN_AT
    assert listener.likeness(tape_of(silence(2))) == 0.0


@pytest.mark.parametrize("delay_s", [0.0, 0.06, 0.35])
def test_a_voice_is_known_while_it_speaks(delay_s):
    said = speech("demo-instruct")[: 4 * RATE_HZ]
    heard = np.concatenate((silence(delay_s), said))[: len(said)]
    assert hears_voice(tape_of(line(heard)), tape_of(said)) > KNOWN_AT
    assert hears_voice(tape_of(line(speech("vm-options")[: len(said)])), tape_of(said)) < KNOWN_AT
    assert hears_voice(tape_of(line(silence(4))), tape_of(said)) < KNOWN_AT


def test_who_says_nothing_cannot_be_heard():
    assert hears_voice(tape_of(silence(4)), tape_of(silence(4))) is None


def tone(cadence, seconds, level_dbm0=-20.0):
    one = sounds.tone(cadence.frequencies_hz, level_dbm0, seconds).astype(np.float64)
    if cadence.pattern_s:
        gate, at = np.zeros(len(one)), 0.0
        while at < seconds:
            for index, length in enumerate(cadence.pattern_s):
                gate[round(at * RATE_HZ) : round((at + length) * RATE_HZ)] = float(index % 2 == 0)
                at += length
        one *= gate[: len(one)]
    return line(one, gain_db=0, noise_dbm0=-55).astype(np.float64)


@pytest.mark.parametrize("country", ["CN", "US"])
def test_tones_are_told_apart(country):
    cadences = _cadences(country)
    for real in cadences:
        audio = tone(real, 9.0)
        for asked in cadences:
            assert hears_tone(audio, asked, cadences) == (asked is real), f"{asked.name} in {real.name}"


@pytest.mark.parametrize("name", SPEECH)
def test_speech_is_no_tone(name):
    cadences = _cadences("CN")
    assert not any(hears_tone(speech(name).astype(np.float64), c, cadences) for c in cadences)


def test_a_continuous_tone_needs_more_than_a_burst():
    dial = Cadence("dial", (450.0,))
    ringback = Cadence("ringback", (450.0,), (1.0, 4.0))
    burst = np.concatenate((tone(dial, 1.0), np.zeros(8000)))
    assert not hears_tone(burst, dial, (dial, ringback))
    assert hears_tone(tone(dial, 1.6), dial, (dial, ringback))


def test_keys_are_read_and_speech_gives_none():
    from board.sim.dtmf import dial

    keys = "1234567890*#ABCD"
    audio = np.asarray(dial(keys, 60, 60, -12.0, -4.0, 0.5), dtype=np.float64)
    assert keys_heard(line(audio, gain_db=-6).astype(np.float64)) == keys
    for name in SPEECH:
        assert keys_heard(speech(name).astype(np.float64)) == ""


def test_a_tape_forgets_the_oldest_only():
    tape = Tape(1.0)
    for n in range(200):
        tape.append(np.full(160, n, dtype=np.int16))
    assert tape.end == 32000
    assert tape.end - tape.start >= 8000
    assert tape.cut(31999, 32001).tolist() == [199.0, 0.0]
    assert not tape.cut(0, 100).any()
