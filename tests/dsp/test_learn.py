"""Learning a line's disconnect tone from ordinary calls."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dsp.afterwards import over_at
from dsp.countries import COUNTRIES, tone_table
from dsp.learn import CallEnd, Observation, ToneLearner, ending, in_table, is_key, learn
from tests.dsp import signals_progress as S
from tests.dsp.corpora import MUSIC, SPEECH, recordings

VOICE = np.concatenate(recordings(SPEECH, False)[10:40]).astype(float)


def call(frequencies_hz, cadence_ms, seed, level_dbm0=-20.0, duration_s=6.0):
    rng = np.random.default_rng(seed)
    at = int(rng.integers(0, len(VOICE) - 40000))
    tone = S.tone(frequencies_hz, cadence_ms, duration_s, level_dbm0, 0, rng.uniform(-0.01, 0.01), seed=seed)
    x = np.concatenate([VOICE[at : at + 40000], S.silence(rng.uniform(0.2, 1)), tone])
    return S.a_law(x + S.white(len(x) / 8000 + 1, level_dbm0 - 30, seed)[: len(x)])


@pytest.mark.parametrize(
    ("frequencies_hz", "cadence_ms"),
    [((450.0,), (350, 350)), ((425.0,), (200, 200)), ((480.0, 620.0), (500, 500)), ((613.0,), (180, 420))],
)
def test_01_a_tone_is_learned(frequencies_hz, cadence_ms):
    found = learn([call(frequencies_hz, cadence_ms, seed) for seed in range(4)])
    assert found["frequencies_hz"] == pytest.approx(list(frequencies_hz), abs=3)
    assert found["on_ms"] == pytest.approx(cadence_ms[0], abs=20)
    assert found["off_ms"] == pytest.approx(cadence_ms[1], abs=20)
    assert found["confidence"] > 0.9


def test_02_one_call_proves_little_and_a_wrong_one_counts_against():
    one = learn([call((450.0,), (350, 350), 1)])["confidence"]
    three = learn([call((450.0,), (350, 350), seed) for seed in range(3)])["confidence"]
    others = [VOICE[:40000], VOICE[40000:80000]]
    mixed = learn([*(call((450.0,), (350, 350), seed) for seed in range(3)), *others])
    assert one <= 0.5 < three and mixed["confidence"] < three
    assert mixed["frequencies_hz"] == pytest.approx([450], abs=2)


def test_speech_soon_after_a_short_tone_is_speech_after_it():
    """The clear bursts that come first are no proof that it goes on."""
    tone = S.tone((450.0,), (350, 350), 7.0, -18)
    talk = S.at_level(next(r for r in recordings(SPEECH, False) if len(r) > 28000), -20)[:28000]
    x = np.concatenate([S.silence(1), tone, S.silence(1), talk])
    assert over_at(x, (450.0,), 8000 + 4 * 5600.0, 2800.0, 5600.0) == pytest.approx(
        8000 + 9 * 5600 + 2800, abs=2
    )


def test_03_ringback_is_never_learned():
    assert learn([call((450.0,), (1000, 4000), 1, duration_s=14)])["frequencies_hz"] == []


def test_04_speech_and_music_teach_nothing():
    pieces = [r for r in recordings(SPEECH, False) if len(r) > 16000][:30]
    for music in recordings(MUSIC, False):
        pieces += [music[at : at + 80000] for at in range(0, len(music) - 80000, 400000)]
    assert sum(learn([piece])["frequencies_hz"] != [] for piece in pieces) <= 1
    assert learn(pieces[:20])["confidence"] <= 0.1


def end(frequencies_hz, cadence_ms, seed, caller="", **call_as):
    """What a line remembers of one call that was hung up on a tone that had gone on."""
    found = ending(call(frequencies_hz, cadence_ms, seed, **call_as))
    assert found is not None
    return CallEnd(found.tone, found.lasted_s, found.followed, caller=caller or f"caller {seed}")


def test_05_a_line_forgets_when_the_exchange_changes():
    learner = ToneLearner()
    for seed in range(2):
        learner.add(end((450.0,), (350, 350), seed))
    assert not learner.learned().trusted, "two calls are not enough"
    learner.add(end((450.0,), (350, 350), 2))
    old = learner.learned()
    assert old.trusted and old.tone.frequencies_hz == pytest.approx((450,), abs=2)
    for seed in range(3, 5):
        learner.add(end((425.0,), (500, 500), seed))
    assert learner.learned().trusted and learner.learned().tone == old.tone, "two may be chance"
    learner.add(end((425.0,), (500, 500), 5))
    new = learner.learned()
    assert new.trusted and new.tone.frequencies_hz == pytest.approx((425,), abs=2)
    assert new.tone.on_ms == pytest.approx(500, abs=20)


@pytest.mark.parametrize("x", [np.zeros(0), np.zeros(40000), np.full(40000, np.nan), S.white(5, -10)])
def test_06_nothing_to_learn(x):
    assert learn([x]) == {"frequencies_hz": [], "on_ms": None, "off_ms": None, "confidence": 0.0}


def test_07_no_recordings():
    assert learn([])["confidence"] == 0.0


def test_08_the_cadence_is_exact_enough_to_tell_a_line_card_maker():
    found = learn([call((450.0,), (350, 350), 1)])
    assert (found["on_ms"], found["off_ms"]) == (pytest.approx(350, abs=12), pytest.approx(350, abs=12))


def test_09_a_tone_that_did_not_last_proves_nothing_by_itself():
    learner = ToneLearner()
    for seed in range(6):
        assert not learner.add(end((620.0,), (300, 300), seed, duration_s=2.4))
    assert learner.learned() is None
    short = end((620.0,), (300, 300), 1, duration_s=2.4)
    assert learner.add(replace(short, gone=True)), "but it does where the far side had gone"


def test_10_the_machine_of_one_caller_is_no_disconnect_tone_yet():
    learner = ToneLearner()
    for seed in range(4):
        learner.add(end((1000.0,), (300, 700), seed, caller="the hospital"))
        assert not learner.learned().trusted
    learner.add(end((1000.0,), (300, 700), 5, caller="somebody else"))
    assert learner.learned().trusted


def test_11_a_tone_after_which_somebody_spoke_is_never_used():
    beeps = call((1000.0,), (300, 300), 1)
    found = ending(np.concatenate([beeps, VOICE[:24000]]))
    # the voice comes last: the beeps are still what the recording has of a tone
    assert found is not None and found.followed
    learner = ToneLearner()
    learner.add(CallEnd(found.tone, found.lasted_s, found.followed, caller="a"))
    for seed in range(6):
        learner.add(end((1000.0,), (300, 300), seed))
    assert not learner.learned().trusted and learner.learned().confidence == 0


def test_12_the_howler_after_the_tone_is_no_voice():
    busy = call((620.0,), (300, 300), 1, duration_s=8.0)
    howler = S.tone((1400.0, 2060.0), (100, 100), 4.0, -6.0, 0, 0.0, seed=2)
    found = ending(np.concatenate([busy, howler]))
    assert found is None or not found.followed
    assert not ending(np.concatenate([busy, np.zeros(24000)])).followed, "nor is silence"


def test_13_memory_survives_being_written_down():
    ends = [end((450.0,), (350, 350), seed) for seed in range(3)]
    again = [CallEnd.from_plain(json.loads(json.dumps(one.plain()))) for one in ends]
    assert again == ends and ToneLearner(again).learned() == ToneLearner(ends).learned()


@pytest.mark.parametrize(
    ("hz", "cadence_ms", "country", "name"),
    [
        ((450.0,), (350, 350), "CN", "busy"),
        ((452.0,), (700, 700), "CN", "congestion"),
        ((620.0,), (300, 300), "CN", ""),
        ((450.0,), (350, 350), "US", ""),
        ((480.0, 620.0), (250, 250), "US", "congestion"),
    ],
)
def test_14_what_the_table_has_needs_no_learning(hz, cadence_ms, country, name):
    assert in_table(Observation(hz, *map(float, cadence_ms), -20.0), country) == name


@pytest.mark.parametrize("cadence_ms", [(150, 150), (200, 200), (240, 260), (480, 480), (1000, 1000)])
def test_15_times_are_finer_than_the_frames_they_are_seen_in(cadence_ms):
    for begin_s in (0.5, 0.5043, 0.5086, 0.5129):
        x = np.concatenate([S.silence(begin_s), S.tone((450.0,), cadence_ms, 6.3, -18)])
        found = learn([x + S.white(len(x) / 8000 + 1, -48)[: len(x)]])
        assert (found["on_ms"], found["off_ms"]) == pytest.approx(cadence_ms, abs=2), begin_s


@pytest.mark.parametrize("lasted_s", [3.5, 5.0, 8.0])
def test_16_a_tone_without_gaps_after_speech_is_learned(lasted_s):
    spoken = [r for r in recordings(SPEECH, False) if len(r) > 28000][:6]
    ends = [
        np.concatenate([S.at_level(one, -20), S.silence(0.5), S.tone((425.0,), (), lasted_s, -18)])
        for one in spoken
    ]
    found = learn(ends)
    assert found["frequencies_hz"] == pytest.approx([425], abs=2) and found["off_ms"] == 0
    assert found["on_ms"] == pytest.approx(1000 * lasted_s, abs=30) and found["confidence"] > 0.8


@pytest.mark.parametrize("noise_dbm0", [-99.0, -60.0])
def test_17_silence_after_the_tone_hides_it_not(noise_dbm0):
    for silence_s in (0.0, 12.0, 20.0):
        x = np.concatenate([call((450.0,), (350, 350), 3, duration_s=5.0), S.silence(silence_s)])
        x[-80:] += 3000.0  # the click with which the line was let go
        found = learn([x + S.white(len(x) / 8000 + 1, noise_dbm0)[: len(x)]])
        assert (found["on_ms"], found["off_ms"]) == pytest.approx((350, 350), abs=6), silence_s


@pytest.mark.parametrize("cadence_ms", [(100, 100), (120, 80), (200, 200), (250, 250)])
def test_18_a_few_beeps_are_not_learned(cadence_ms):
    for count in (2, 3, 4):
        beeps = call((450.0,), cadence_ms, count, duration_s=count * sum(cadence_ms) / 1000)
        for after in (S.silence(0), S.silence(3), VOICE[:24000]):
            assert ending(np.concatenate([beeps, after])) is None, count
            assert learn([np.concatenate([beeps, after])] * 4)["confidence"] == 0, count


def test_19_a_tone_without_gaps_is_as_long_as_it_sounded():
    for before in (S.at_level(VOICE[:32000], -20), S.silence(0.5)):
        x = np.concatenate([before, S.silence(0.1), S.tone((425.0,), (), 5.0, -15)])
        assert ending(x).tone.on_ms == pytest.approx(5000, abs=6)


def test_20_nothing_but_a_tone_without_gaps_is_no_call():
    alone = S.tone((425.0,), (), 5.0, -15)
    for x in (
        alone,
        np.concatenate([S.silence(0.5), alone, S.silence(0.5)]),
        S.tone((350.0, 440.0), (), 20, -15),
    ):
        assert learn([x] * 3)["confidence"] == 0


def key(digit, count, cadence_ms=(200, 200)):
    low, high = divmod("123A456B789C*0#D".index(digit), 4)
    pair = ((697.0, 770.0, 852.0, 941.0)[low], (1209.0, 1336.0, 1477.0, 1633.0)[high])
    return S.tone(pair, cadence_ms, count * sum(cadence_ms) / 1000, -10)


@pytest.mark.parametrize("digit", "15*#D")
@pytest.mark.parametrize("error", [-0.015, 0.0, 0.015])
def test_21_a_key_pressed_again_and_again_is_not_learned(digit, error):
    calls = []
    for seed in range(3):
        x = np.concatenate([call((450.0,), (350, 350), seed, duration_s=0.1), key(digit, 8)])
        calls.append(np.interp(np.arange(0, len(x) - 1, 1 + error), np.arange(len(x)), x))
    assert learn(calls) == {"frequencies_hz": [], "on_ms": None, "off_ms": None, "confidence": 0.0}
    assert ending(calls[0]) is None


def test_22_a_key_that_a_line_has_learned_before_is_forgotten():
    tone = Observation((940.9, 1335.9), 200.0, 200.0, -12.0)
    ends = [CallEnd(tone, 5.0, caller=str(i)) for i in range(5)]
    learner = ToneLearner(ends)
    assert learner.learned() is None and not learner.add(ends[0])


@pytest.mark.parametrize("country", COUNTRIES)
def test_23_no_country_ends_calls_with_a_key(country):
    forms = [tone for name in ("busy", "congestion", "unobtainable") for tone in variants(country, name)]
    assert forms and not any(is_key(tone.lines_hz) for tone in forms)


def variants(country, name):
    return tone_table(country).variants.get(name, ())


SENTENCES = [r for r in recordings(SPEECH, False) if 12000 < len(r) < 28000][:4]
WORDS = [r for r in recordings(SPEECH, False) if 3200 < len(r) < 4800][:4]


def spoken_on(parts, seed, forms=((450.0,), (350, 350))):
    """A call whose tone is followed by these words."""
    spoken = [S.at_level(part, -20) for part in parts]
    return np.concatenate([call(*forms, seed, duration_s=4.2), S.silence(0.6), *spoken])


@pytest.mark.parametrize(
    "form", [((450.0,), (350, 350)), ((480.0, 620.0), (500, 500)), ((425.0,), ()), ((425.0,), (200, 200))]
)
def test_24_speech_after_the_tone_counts_against_it(form):
    plain = [call(*form, seed, duration_s=4.2) for seed in range(4)]
    after = [spoken_on([one], seed, form) for seed, one in enumerate(SENTENCES)]
    none, one = learn(plain), learn([*after[:1], *plain[1:]])
    assert none["confidence"] > 0.9 and one["frequencies_hz"] == pytest.approx(none["frequencies_hz"], abs=3)
    assert one["confidence"] < 0.6, "one of four"
    assert learn([*after[:2], *plain[2:]])["confidence"] < 0.4 and learn(after)["confidence"] == 0


def test_25_who_says_hello_before_hanging_up_proves_nothing():
    found = learn([spoken_on([one], seed) for seed, one in enumerate(WORDS)])
    assert found["confidence"] == 1 - 0.5 ** len(WORDS) >= 0.75
    assert ending(spoken_on(WORDS[:1], 0)).followed, "but a word on the line does"


@pytest.mark.parametrize("speech_dbm0", [-25, -18])
def test_26_speech_while_the_tone_goes_on_says_nothing(speech_dbm0):
    for seed, one in enumerate(SENTENCES):
        x = call((450.0,), (350, 350), seed, duration_s=8.0).astype(float)
        voice = S.at_level(one, speech_dbm0)
        for end in (len(x), len(x) - 11200):
            over = x.copy()
            over[end - len(voice) : end] += voice
            assert not ending(over).followed
        found = learn([over] * 3)
        assert found["confidence"] in (0.0, 0.875)


@pytest.mark.parametrize("what", ["noise", "clicks", "hum", "howler", "dial tone"])
def test_27_no_other_sound_after_the_tone_is_speech(what):
    rng = np.random.default_rng(1)
    clicks = S.silence(4)
    clicks[rng.integers(0, len(clicks), 4)] = 12000
    hum = sum(S.tone((50.0 * k,), (), 4, -22 - 3 * k) for k in (1, 3, 5))
    sounds = {
        "noise": S.white(4, -25),
        "clicks": clicks,
        "hum": hum,
        "howler": S.tone((1400.0, 2060.0), (100, 100), 4, -6),
        "dial tone": S.tone((350.0, 440.0), (), 4, -15),
    }
    calls = [
        np.concatenate([call((620.0,), (300, 300), seed, duration_s=6), S.silence(0.5), sounds[what]])
        for seed in range(3)
    ]
    assert learn(calls)["confidence"] == 0.875 and not any(ending(one).followed for one in calls)
