"""Answered or not, and by whom."""

import numpy as np
import pytest

from dsp.amd import MachineDetector, amd, judge
from dsp.answer import AnswerDetector, answer
from dsp.countries import COUNTRIES, tone_table
from dsp.levels import power
from dsp.nettones import network_tones
from dsp.ownecho import OwnEcho
from tests.dsp import signals
from tests.dsp import signals_progress as S
from tests.dsp.corpora import NOBODY, SPEECH, recordings


def trimmed(recording):
    frames = recording[: len(recording) // 80 * 80].reshape(-1, 80).astype(float)
    power = (frames**2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 1e-3)
    return frames[loud[0] : loud[-1] + 1].ravel()


SPOKEN = [trimmed(r) for r in recordings(SPEECH, False) if len(r) > 3000 and abs(r).max() > 2000]
WORDS = [s for s in SPOKEN if 0.2 * 8000 < len(s) < 1.1 * 8000][:60]
GREETINGS = [s for s in SPOKEN if len(s) > 3.5 * 8000][:20]


def ringing(country, cycles, level_dbm0=-18.0):
    tone = tone_table(country)["ringback"]
    modulation = max(step.modulation_hz for step in tone.steps)
    duration_s = cycles * sum(tone.cadence_ms) / 1000
    return S.tone(tone.frequencies_hz, tone.cadence_ms, duration_s, level_dbm0, modulation_hz=modulation)


def line(parts, noise_dbm0=-58.0, seed=0):
    x = np.concatenate(parts)
    return S.a_law(x + S.white(len(x) / 8000 + 1, noise_dbm0, seed)[: len(x)])


def test_00_who_is_watched_no_more_takes_nothing_from_the_others():
    detector = AnswerDetector(2, "CN")
    detector.watch([0, 1], True)
    detector.watch([0], False)
    assert detector.any
    detector.watch([1], False)
    assert not detector.any


@pytest.mark.parametrize("country", ["CN", "US", "GB", "FR", "DE", "JP", "IN", "BR"])
def test_01_the_first_word_after_ringback_is_the_answer(country):
    rng = np.random.default_rng(21)
    ring = ringing(country, 3)
    tone = tone_table(country)["ringback"]
    gap_s = tone.cadence_ms[-1] / 1000
    for i in range(3):
        spoken = S.at_level(WORDS[int(rng.integers(len(WORDS)))], rng.uniform(-32, -12))
        cut = ring[: len(ring) - int(rng.uniform(0.1, 0.8) * gap_s * 8000)]
        found = answer(line([S.silence(1), cut, spoken, S.silence(2)], seed=i), country)
        at = 1 + len(cut) / 8000
        assert found["how"] == "inferred"
        assert at - 0.1 <= found["answered_s"] <= at + 1.0, (country, i)


@pytest.mark.parametrize("country", ["CN", "US", "GB", "JP"])
def test_02_ringback_that_stops_silently(country):
    ring = ringing(country, 2)
    found = answer(line([S.silence(1), ring, S.silence(9)]), country)
    at = 1 + len(ring) / 8000
    assert at - 0.1 <= found["answered_s"] <= at + 2


@pytest.mark.parametrize("country", ["CN", "US", "FR"])
def test_03_a_burst_cut_short(country):
    tone = tone_table(country)["ringback"]
    begun = S.tone(tone.frequencies_hz, (), 0.5 * tone.cadence_ms[0] / 1000, -18)
    ring = np.concatenate([ringing(country, 2), begun])
    found = answer(line([S.silence(1), ring, S.silence(3)]), country)
    at = 1 + len(ring) / 8000
    assert at - 0.1 <= found["answered_s"] <= at + 2


@pytest.mark.parametrize("country", ["CN", "US", "GB", "DE", "JP"])
def test_04_nobody_answers(country):
    busy = tone_table(country)["busy"]
    engaged = S.tone(busy.frequencies_hz, busy.cadence_ms, 5, -18)
    for parts in (
        [S.silence(1), ringing(country, 5)],
        [S.silence(1), engaged],
        [S.silence(1), ringing(country, 2), engaged],
        [S.silence(12)],
    ):
        assert answer(line(parts), country) == {"answered_s": None, "how": "none"}


def test_05_clicks_while_it_rings_are_no_answer():
    x = ringing("CN", 4).copy()
    x[14000:14040] += 12000
    x[58000:58100] -= 9000
    assert answer(line([S.silence(1), x]), "CN")["answered_s"] is None


@pytest.mark.parametrize("country", ["CN", "US", "GB", "DE", "FR", "IN", "BR", "NZ"])
def test_05_call_waiting_tone_between_two_rings_is_no_answer(country):
    table = tone_table(country)
    waiting, ring = table["call_waiting"], ringing(country, 4)
    burst = S.tone(waiting.frequencies_hz, (), waiting.cadence_ms[0] / 1000, -18)
    for after_ms in (500, 900):
        x = ring.copy()
        at = len(ring) // 2 - (table["ringback"].cadence_ms[-1] - after_ms) * 8
        x[at : at + len(burst)] += burst
        assert answer(line([S.silence(1), x]), country)["answered_s"] is None, after_ms


def test_06_answers_are_told_once_and_decided_within_a_second_of_the_word():
    word = S.at_level(WORDS[0], -20)
    x = line([ringing("CN", 2)[:60000], word, S.silence(1), word, S.silence(1)])
    detector = AnswerDetector(1, "CN")
    found = detector.process(x[None, :])
    assert len(found) == 1 and found[0].how == "inferred"
    assert found[0].at_samples - 60000 < 8000
    detector.reset([0])
    assert detector.process(np.zeros((1, 16000))) == []


@pytest.mark.parametrize("country", ["CN", "GB", "DE"])
def test_06_dial_tone_of_the_same_pitch_before_it_makes_no_burst_a_short_one(country):
    tone = tone_table(country)["dial"]
    dial = S.tone(tone.frequencies_hz, (), 3, -18)
    ring = ringing(country, 4)
    for cut in (2.2, 3.0, 3.6):
        part = ring[: int(len(ring) / 4 * cut)]
        x = line([S.silence(1), dial, S.silence(2.5), part, ringing(country, 1)[: int(1.9 * 8000)]])
        assert answer(x, country)["answered_s"] is None, cut


def heard_with(own, far, x):
    """What is decided of an outgoing call on which we say `own`, which echoes, and the other end `far`."""
    detector, mine = AnswerDetector(1, "CN"), OwnEcho(1)
    back = np.concatenate([np.zeros(40), own])[: len(own)] * 10 ** (-12 / 20)
    heard = (x + far + back)[None, :].astype(np.float32)
    found = []
    for at in range(0, heard.shape[1] - 159, 160):
        sent = power(own[None, at : at + 160].astype(np.float32))
        for frame in detector.scan.process(heard[:, at : at + 160]):
            found += detector.process_frame(frame, echo=mine.process(10 ** (frame.level_dbm0 / 10), sent))
    return [(a.by, a.answered_samples / 8000) for a in found]


@pytest.mark.parametrize(("on_ms", "off_ms"), [(80, 80), (50, 50), (40, 40)])
@pytest.mark.parametrize("country", ["CN", "US", "DE"])
def test_05_what_we_dial_is_no_answer(country, on_ms, off_ms):
    tones = tone_table(country)
    number = signals.keys("13800138000", on_ms, off_ms, low_dbm0=-12)
    cut = ringing(country, 2)[: -int(2.2 * 8000)]
    for dial_s in (0.0, 0.8, 1.0, 2.0):
        dial = S.tone(tones["dial"].frequencies_hz, (), dial_s, -18)
        before = [S.silence(0.5), dial, number, S.silence(1.5)]
        assert answer(line([*before, ringing(country, 2)]), country)["answered_s"] is None, dial_s
        found = answer(line([*before, cut, S.at_level(WORDS[1], -20), S.silence(1)]), country)["answered_s"]
        at = sum(map(len, before)) / 8000 + len(cut) / 8000
        assert found == pytest.approx(at, abs=0.6), dial_s


@pytest.mark.parametrize("after_all", [False, True])
def test_06_a_beep_and_a_word_of_the_network_before_the_ringing_are_no_answer_in_a_call_that_goes_on(
    after_all,
):
    word = S.at_level(WORDS[0], -20)[:3200]
    x = line([S.silence(1), S.tone((450,), (), 0.5, -18), word, S.silence(1.2), ringing("CN", 2)])
    found = AnswerDetector(1, "CN", after_all=after_all).process(x[None, :])
    assert bool(found) == after_all, "of a recording it is believed"


def test_06_our_own_words_are_no_answer_and_hide_none():
    x = ringing("CN", 4)
    own, far = np.zeros(len(x)), np.zeros(len(x))
    word = S.at_level(np.concatenate(WORDS[:3]), -15)
    for at_s in (1.5, 6.5, 11.5):
        own[int(at_s * 8000) :][: len(word)] = word[: len(own) - int(at_s * 8000)]
    assert heard_with(own, far, x) == []
    ringing_s = 11.2
    x = np.where(np.arange(len(x)) < ringing_s * 8000, x, 0)
    hello = S.at_level(WORDS[4], -12)
    far[int(12.5 * 8000) :][: len(hello)] = hello
    [(by, at_s)] = heard_with(own, far, x)
    assert by == "voice" and 12.3 < at_s < 13.5


def test_06_who_is_not_watched_answers_nothing_and_whoever_is_again_begins_anew():
    word = S.at_level(WORDS[0], -20)
    x = line([ringing("CN", 2)[:60000], word, S.silence(1)])[None, :].repeat(2, axis=0)
    detector = AnswerDetector(2, "CN")
    detector.watch([0], False)
    assert [a.port for a in detector.process(x)] == [1]
    detector.watch([0, 1], True)
    assert detector.process(line([word])[None, :].repeat(2, axis=0)) == []
    detector.watch([0, 1], False)
    assert not detector.any


def call(spoken, rng, level_dbm0):
    parts = [S.silence(rng.uniform(0.1, 1.5)), S.at_level(spoken, level_dbm0), S.silence(2)]
    return line(parts, min(level_dbm0 - 25, -45), int(rng.integers(1e6)))


def test_07_a_word_is_a_person_at_every_level():
    rng = np.random.default_rng(22)
    right = [amd(call(w, rng, level))["result"] == "person" for w in WORDS[:25] for level in (-8, -26, -44)]
    assert np.mean(right) >= 0.97


def test_08_a_long_greeting_is_a_machine_at_every_level():
    rng = np.random.default_rng(23)
    right = [amd(call(g, rng, level))["result"] == "machine" for g in GREETINGS for level in (-8, -26, -44)]
    assert np.mean(right) >= 0.97


VOICES = sorted(folder.name for folder in SPEECH.parent.glob("*_*") if any(folder.rglob("*.wav")))


@pytest.mark.parametrize("voice", VOICES)
def test_08_the_length_of_the_greeting_decides_for_every_voice(voice):
    """Short and long ones are told apart; around the border the longer are machines more often."""
    whole = recordings(SPEECH.parent / voice, False, NOBODY)
    spoken = [trimmed(r) for r in whole if len(r) > 1600 and abs(r).max() > 2000]
    rng = np.random.default_rng(26)
    machines = {}
    for least_s, most_s in ((0.2, 0.7), (0.7, 1.2), (1.2, 1.6), (1.6, 2.0), (2.0, 2.5), (2.5, 3.5), (3.5, 9)):
        some = [x for x in spoken if least_s * 8000 <= len(x) < most_s * 8000]
        some = [some[i] for i in rng.permutation(len(some))[:6]]
        results = [amd(call(x, rng, float(rng.uniform(-40, -12))))["result"] for x in some]
        assert "unknown" not in results, (least_s, results)
        machines[least_s] = results.count("machine") / len(results)
    assert machines[0.2] == machines[0.7] == machines[1.2] == 0
    assert machines[2.5] == machines[3.5] == 1
    assert machines[1.6] <= machines[2.0] and machines[2.0] > 0


def test_09_a_beep_is_a_machine():
    x = line(
        [
            S.silence(0.4),
            S.at_level(WORDS[1], -20),
            S.silence(0.3),
            S.tone((1000,), (), 0.5, -15),
            S.silence(2),
        ]
    )
    assert amd(x)["result"] == "machine"


@pytest.mark.parametrize("x", [np.zeros(0), np.zeros(48000), S.white(6, -40), np.full(48000, np.nan)])
def test_10_nothing_said_is_unknown(x):
    assert amd(x)["result"] == "unknown"


def clicking(floor_dbm0, seed):
    """Eight seconds of a line with ten clicks of full scale a second."""
    rng = np.random.default_rng(seed)
    x = S.white(8, floor_dbm0, seed)
    x[rng.integers(0, len(x), 80)] = rng.choice([-30000, 30000], 80)
    return x


@pytest.mark.parametrize("floor_dbm0", [-99, -65, -50])
def test_10_clicks_are_nobody_and_hide_nobody(floor_dbm0):
    for seed in range(4):
        assert amd(clicking(floor_dbm0, seed))["result"] == "unknown", seed
        x = clicking(floor_dbm0, seed)
        said = S.at_level(WORDS[seed], -12)
        x[12000 : 12000 + len(said)] = said
        x[12000 + len(said) : 24000 + len(said)] = S.white(1.5, floor_dbm0)
        assert amd(x)["result"] == "person", seed


@pytest.mark.parametrize("country", COUNTRIES)
def test_10_no_tone_of_any_country_is_anybody(country):
    for name in ("special_dial", "unobtainable", "call_waiting"):
        for tone in tone_table(country).variants.get(name, ()):
            if len({step.frequencies_hz for step in tone.steps if step.frequencies_hz}) == 1:
                modulation = max(step.modulation_hz for step in tone.steps)
                x = S.tone(tone.frequencies_hz, tone.cadence_ms, 8, -18, modulation_hz=modulation)
                assert amd(line([S.silence(1), x]))["result"] == "unknown", name


@pytest.mark.parametrize("late_s", [3.2, 3.8, 4.4])
def test_a_greeting_that_begins_late_is_what_it_is(late_s):
    for i in range(6):
        assert amd(line([S.silence(late_s), GREETINGS[i], S.silence(1)]))["result"] == "machine"
        assert amd(line([S.silence(late_s), WORDS[i], S.silence(2)]))["result"] == "person"


def test_what_nothing_is_sure_of_for_ten_seconds_is_unknown_and_no_person():
    """Somebody who becomes ever louder: what was said before always seems too weak to count."""
    levels_dbm0 = -130.0 + 0.3 * np.arange(500)
    assert {judge(levels_dbm0[:n], over=False) for n in range(5, 500, 5)} == {None}
    assert judge(levels_dbm0, over=False) == "unknown"


def test_11_ports_are_judged_apart_and_once():
    rng = np.random.default_rng(24)
    a = call(WORDS[2], rng, -20)[:30000]
    b = call(GREETINGS[0], rng, -20)[:30000]
    n = min(len(a), len(b))
    x = np.stack([a[:n], b[:n]])
    detector = MachineDetector(2)
    found = [v for at in range(0, n, 100) for v in detector.process(x[:, at : at + 100])]
    assert {(v.port, v.result) for v in found} == {(0, "person"), (1, "machine")} and len(found) == 2


@pytest.mark.parametrize(
    ("country", "rung_s"), [("CN", 0.5), ("CN", 0.8), ("FR", 0.5), ("FR", 0.8), ("DE", 0.5), ("US", 0.8)]
)
def test_a_word_that_cuts_the_first_burst_is_the_answer(country, rung_s):
    ring = S.tone(tone_table(country)["ringback"].frequencies_hz, (), rung_s, -18)
    right = 0
    for i in range(12):
        x = line([S.silence(1), ring, S.at_level(WORDS[i], -22), S.silence(2)], seed=i)
        found = answer(x, country)["answered_s"]
        right += found is not None and rung_s + 0.85 <= found <= rung_s + 2.0
    assert right >= 10


@pytest.mark.parametrize("country", ["CN", "FR", "DE"])
def test_a_click_after_the_first_burst_of_busy_is_no_answer(country):
    busy = tone_table(country)["busy"]
    on_s, off_s = (ms / 1000 for ms in busy.cadence_ms)
    for click_s in (0.05, 0.1, off_s):
        first = S.tone(busy.frequencies_hz, (), on_s, -18)
        gap = np.concatenate([S.white(click_s, -30), S.silence(off_s - click_s)])
        rest = S.tone(busy.frequencies_hz, busy.cadence_ms, 5, -18)
        assert answer(line([S.silence(1), first, gap, rest]), country)["answered_s"] is None


def outgoing(tone, rng, level_dbm0, spoken=None):
    """A recording of an outgoing call: one or two rings, the last gap cut by the answer; when that is (s)."""
    modulation = max(step.modulation_hz for step in tone.steps)
    cycles = int(rng.integers(1, 3)) if sum(tone.cadence_ms) > 1500 else 4
    duration_s = cycles * sum(tone.cadence_ms) / 1000
    error = rng.uniform(-0.01, 0.01)
    ring = S.tone(
        tone.frequencies_hz, tone.cadence_ms, duration_s, level_dbm0, error, modulation_hz=modulation
    )
    noise_dbm0 = min(level_dbm0 - 14, -45)
    if spoken is None:
        return line([S.silence(0.4), ring], noise_dbm0, int(rng.integers(1e6))), 0.4 + duration_s
    cut = ring[: len(ring) - int(rng.uniform(0, 0.95) * tone.cadence_ms[-1] * 8)]
    said = [S.silence(rng.uniform(0, 1.2)), S.at_level(spoken, max(level_dbm0, -28)), S.silence(2)]
    x = line([S.silence(0.4), cut, *said], noise_dbm0, int(rng.integers(1e6)))
    return x, 0.4 + len(cut) / 8000


@pytest.mark.parametrize("part", range(6))
def test_12_ringback_of_every_country_is_nobody_and_hides_nobody(part):
    rng = np.random.default_rng(25 + part)
    seen = []
    for country in COUNTRIES[part::6]:
        for tone in tone_table(country).variants["ringback"]:
            spoken = {
                "person": WORDS[int(rng.integers(len(WORDS)))],
                "machine": GREETINGS[int(rng.integers(20))],
            }
            level = (-10, -24, -38)[int(rng.integers(3))]
            for who in ("unknown", "person", "machine"):
                x, at_s = outgoing(tone, rng, level, spoken.get(who))
                found = amd(x)
                assert who != "unknown" or found["result"] == "unknown", (country, level, found)
                seen.append(found["result"] == who and (who == "unknown" or found["at_s"] > at_s))
    assert np.mean(seen) >= 0.97


@pytest.mark.parametrize("country", ["CN", "US", "GB", "DE", "JP", "IN"])
@pytest.mark.parametrize("name", ["dial", "busy", "congestion"])
def test_13_a_tone_that_refuses_is_nobody(country, name):
    tone = tone_table(country)[name]
    for level in (-10, -38):
        x = S.tone(tone.frequencies_hz, tone.cadence_ms, 8, level)
        assert amd(line([x], -55))["result"] == "unknown"
        assert amd(line([S.silence(0.4), ringing(country, 2, level), x], -55))["result"] == "unknown"


def sit(level_dbm0=-18):
    return np.concatenate([S.tone((hz,), (), 0.33, level_dbm0) for hz in (950, 1400, 1800)])


def test_14_what_speaks_after_a_special_information_tone_is_the_network():
    for said in (S.silence(3), S.at_level(GREETINGS[1], -20)):
        found = amd(line([S.silence(0.3), sit(), S.silence(0.3), said]))
        assert found["result"] == "unknown"


def test_15_who_was_called_is_known_whatever_tones_there_are_before_and_after():
    hello, busy = S.at_level(WORDS[3], -20), S.tone((450,), (350, 350), 6, -18)
    number = signals.keys("13800138000", 80, 80)
    before = [S.tone((450,), (), 1.5, -15), number, S.silence(3), ringing("CN", 2)[:48000], S.silence(1)]
    assert amd(line([*before, hello, S.silence(0.3), busy]))["result"] == "person"
    assert amd(line([*before, GREETINGS[2], busy]))["result"] == "machine"
    beep = S.tone((1000,), (), 0.5, -15)
    assert amd(line([*before, hello, S.silence(0.3), beep, S.silence(2)]))["result"] == "machine"
    assert amd(line([S.silence(0.5), beep, S.silence(1)]))["result"] == "machine"
    assert amd(line([*before[:-1], S.silence(6)]))["result"] == "unknown"


def test_16_speech_and_music_hold_no_tone_of_a_network():
    found = [network_tones(recording) for recording in recordings(SPEECH, False)]
    assert sum(bool(tones.bursts) or tones.sit is not None for tones in found) <= 0.01 * len(found)


@pytest.mark.parametrize("country", ["CN", "US", "GB"])
@pytest.mark.parametrize("hz", [950, 1000, 1100, 1300, 1400, 1800, 2100])
def test_17_a_fax_or_a_beep_that_takes_the_call_is_an_answer(country, hz):
    ring = ringing(country, 2)
    ring = ring[: len(ring) - 8000]
    at_s = 1 + len(ring) / 8000 + 0.6
    for level, sounds_s, after_s in ((-12, 3, 0), (-30, 0.5, 4), (-12, 0.3, 0.4)):
        x = line([S.silence(1), ring, S.silence(0.6), S.tone((hz,), (), sounds_s, level), S.silence(after_s)])
        assert answer(x, country)["answered_s"] == pytest.approx(at_s, abs=0.1), (level, sounds_s)
        [found] = AnswerDetector(1, country).process(x[None, :])
        assert found.at_samples / 8000 - at_s < 1.0


def test_18_a_special_information_tone_and_keys_are_no_answer():
    ring = ringing("CN", 2)[: -int(2.8 * 8000)]
    for level in (-10, -35):
        for gap_s in (0, 0.03):
            gap = S.silence(gap_s)
            three = [part for hz in (950, 1400, 1800) for part in (S.tone((hz,), (), 0.33, level), gap)]
            x = line([S.silence(1), ring, S.silence(1), *three, S.silence(6)])
            assert answer(x, "CN")["answered_s"] is None
    for shape in ({"low_dbm0": -8, "high_dbm0": -14}, {"low_dbm0": -14, "high_dbm0": -8}):
        keys = signals.keys(signals.ALL_KEYS, 200, 60, **shape)
        assert answer(line([S.silence(1), ring, keys[: int(3.5 * 8000)]]), "CN")["answered_s"] is None


def loose(x, times_s, peak_dbm0):
    """Clicks of 0.75 ms, as a bad joint makes them, in a call."""
    click = S.ZERO_DBM0_PEAK * 10 ** (peak_dbm0 / 20) * np.array([1, 0.8, -0.5, 0.4, -0.2, 0.1])
    y = x.copy()
    for at in (np.asarray(times_s) * 8000).astype(int):
        y[at : at + len(click)] += click
    return y


@pytest.mark.parametrize("peak_dbm0", [-8, -14, -30])
def test_19_two_clicks_and_crackle_are_nobody_and_hide_nobody(peak_dbm0):
    rng = np.random.default_rng(31)
    ring = ringing("CN", 4, -14)
    for apart_s in (0.04, 0.08, 0.12, 0.15):
        x = loose(ring, (7.5, 7.5 + apart_s), peak_dbm0)
        assert answer(line([x], -62), "CN")["answered_s"] is None, apart_s
    for a_second in (0.3, 1, 2, 5):
        times_s = rng.uniform(0, 19.9, int(20 * a_second))
        assert answer(line([loose(ring, times_s, peak_dbm0)], -62), "CN")["answered_s"] is None, a_second
        cut = ring[: 13 * 8000]
        parts = [cut, S.at_level(WORDS[int(rng.integers(len(WORDS)))], -22), S.silence(2)]
        said = loose(line(parts, -62), times_s[times_s < 14], peak_dbm0)
        assert answer(said, "CN")["answered_s"] == pytest.approx(13, abs=0.5), a_second


@pytest.mark.parametrize("country", ["CN", "US", "GB", "JP"])
@pytest.mark.parametrize("noise_dbm0", [-38, -33, -28])
def test_20_noise_that_is_there_all_the_time_is_nobody(country, noise_dbm0):
    for lead_s in (0, 0.5):
        for level in (-10, -16):
            x = line([S.silence(lead_s), ringing(country, 3, level)], noise_dbm0)
            assert answer(x, country)["answered_s"] is None, (lead_s, level)
    ring = ringing(country, 3, -10)
    cut = ring[: len(ring) - 6400]
    x = line([cut, S.at_level(WORDS[7], noise_dbm0 + 15), S.silence(2)], noise_dbm0)
    assert answer(x, country)["answered_s"] == pytest.approx(len(cut) / 8000, abs=0.3)


@pytest.mark.parametrize("cycles", [1, 2])
@pytest.mark.parametrize("noise_dbm0", [-45, -33, -25])
def test_21_noise_that_begins_where_the_ringing_ends_is_the_room_of_whoever_answered(cycles, noise_dbm0):
    ring = np.concatenate([S.silence(0.5), ringing("CN", cycles, -12)])
    cut = ring[: len(ring) - int(3.5 * 8000)]
    found = answer(line([np.concatenate([cut, S.white(4, noise_dbm0)])], -62), "CN")["answered_s"]
    assert found == pytest.approx(len(cut) / 8000, abs=0.2)


@pytest.mark.parametrize("country", ["CN", "GB", "DE", "US"])
def test_22_a_special_information_tone_soon_after_a_ring_is_no_answer(country):
    gap_s = tone_table(country)["ringback"].cadence_ms[-1] / 1000
    ring = ringing(country, 2, -15)
    announcement = S.at_level(GREETINGS[2], -18)[: 3 * 8000]
    for after_s in (0.05, 0.2, 0.5, 0.7, 0.9):
        cut = ring[: len(ring) - int((gap_s - after_s) * 8000)]
        parts = [cut, sit(-14), S.silence(0.2), announcement, S.silence(1)]
        assert answer(line(parts, -62), country)["answered_s"] is None, after_s
        assert AnswerDetector(1, country).process(line(parts, -62)[None, :]) == [], after_s
