"""Call progress: the tones by name, frequency and cadence together, and none where there is none."""

from itertools import pairwise

import numpy as np
import pytest

from dsp.countries import tone_table
from dsp.progress import ProgressDetector, segments
from tests.dsp import signals
from tests.dsp import signals_progress as S
from tests.dsp.corpora import MUSIC, SPEECH, in_rows, recordings

WORLD = ("CN", "US", "GB", "FR", "DE", "JP", "IN", "BR", "IT", "AU", "KR", "ZA", "RU", "SG", "EG", "MX")


def national(country, name, duration_s, level_dbm0=-15.0, **kwargs):
    tone = tone_table(country)[name]
    modulation = max(step.modulation_hz for step in tone.steps)
    return S.tone(
        tone.frequencies_hz, tone.cadence_ms, duration_s, level_dbm0, modulation_hz=modulation, **kwargs
    )


def heard(x, country):
    detector = ProgressDetector(1, country)
    return detector.process(np.asarray(x, np.float32)[None, :])


def names(x, country):
    return [s["tone"] for s in segments(np.asarray(x, np.float32), country)]


@pytest.mark.parametrize("country", WORLD)
@pytest.mark.parametrize("name", ["dial", "ringback", "busy", "congestion"])
def test_01_each_tone_is_found_as_one_segment(country, name):
    tone = tone_table(country)[name]
    cycle_s = sum(tone.cadence_ms) / 1000
    x = np.concatenate([S.silence(1), national(country, name, max(4, 4 * cycle_s)), S.silence(cycle_s + 2)])
    found = [s for s in segments(S.a_law(x), country) if s["tone"] != "silence"]
    same = tone_table(country)["congestion"].cadence_ms == tone_table(country)["busy"].cadence_ms
    allowed = {"busy", "congestion"} if same and name in ("busy", "congestion") else {name}
    assert {s["tone"] for s in found} <= allowed and len(found) == 1
    assert found[0]["start_s"] == pytest.approx(1.0, abs=0.06)
    assert found[0]["end_s"] == pytest.approx(1 + max(4, 4 * cycle_s), abs=max(0.1, cycle_s))


@pytest.mark.parametrize(
    ("frequency", "cadence"), [(-0.02, -0.15), (-0.02, 0.15), (0.02, -0.15), (0.02, 0.15)]
)
@pytest.mark.parametrize("level", [-5.0, -38.0])
def test_02_tolerances_of_frequency_cadence_and_level(frequency, cadence, level):
    for country in ("CN", "US"):
        for name in ("ringback", "busy", "congestion"):
            x = national(country, name, 16, level, frequency_error=frequency, cadence_error=cadence)
            started = [e.tone for e in heard(S.a_law(x), country) if e.phase == "start"]
            assert started == [name], (country, started)


@pytest.mark.parametrize(
    ("country", "name", "reported"),
    [
        ("CN", "special_dial", "dial"),
        ("NL", "special_dial", "dial"),
        ("IS", "special_dial", "dial"),
        ("CN", "unobtainable", "congestion"),
        ("GB", "unobtainable", "congestion"),
        ("IN", "unobtainable", "congestion"),
    ],
)
@pytest.mark.parametrize("level", [-8.0, -30.0])
def test_02_the_rarer_tones_of_the_table_are_none_of_them_a_voice(country, name, reported, level):
    x = np.concatenate([S.silence(0.5), national(country, name, 12, level)])
    found = segments(S.a_law(x + S.white(13, -58)[: len(x)]).astype(np.float32), country)
    assert [s["tone"] for s in found] == ["silence", reported]


@pytest.mark.parametrize("country", ["NZ", "DE", "CN"])
def test_02_call_waiting_tone_is_no_congestion(country):
    x = np.concatenate([S.silence(0.5), national(country, "call_waiting", 12)])
    assert {e.tone for e in heard(S.a_law(x), country)} <= {"call_waiting"}


def test_03_a_whole_call_reads_in_order():
    speech = S.at_level(recordings(SPEECH, False)[3][:24000], -20)
    x = np.concatenate(
        [
            national("CN", "dial", 3),
            S.silence(1),
            national("CN", "ringback", 10),
            speech,
            S.silence(1),
            national("CN", "busy", 4),
        ]
    )
    tones = [n for n in names(x + S.white(len(x) / 8000, -60)[: len(x)], "CN") if n != "silence"]
    assert tones[0:2] == ["dial", "ringback"] and tones[-1] == "busy" and "voice" in tones[2:-1]
    assert set(tones) == {"dial", "ringback", "busy", "voice"}


def test_04_segments_follow_each_other_without_gap():
    x = np.concatenate([S.silence(0.7), national("US", "busy", 3), S.white(1.234, -20)])
    parts = segments(x, "US")
    assert parts[0]["start_s"] == 0 and parts[-1]["end_s"] == pytest.approx(len(x) / 8000, abs=0.001)
    for a, b in pairwise(parts):
        assert a["end_s"] == b["start_s"] and a["tone"] != b["tone"]


def test_05_special_information_tone():
    three = [S.tone((f,), (), 0.33, -15) for f in (950, 1400, 1800)]
    x = np.concatenate([S.silence(0.5), *three, S.silence(1.0), *three, S.silence(1)])
    assert "sit" in [e.tone for e in heard(x, "CN") if e.phase == "start"]


def test_06_fax_tones():
    assert [e.tone for e in heard(S.tone((1100,), (500, 3000), 3, -20), "US") if e.phase == "start"] == [
        "fax-cng"
    ]
    assert [e.tone for e in heard(S.tone((2100,), (), 3, -20), "US") if e.phase == "start"] == ["fax-ced"]


def test_07_block_length_does_not_matter():
    x = (national("CN", "busy", 5) + S.white(5, -50))[None, :].astype(np.float32)
    whole = ProgressDetector(1, "CN").process(x)
    detector = ProgressDetector(1, "CN")
    pieces = []
    at = 0
    for n in (1, 7, 160, 161, 1000, 3, 480) * 20:
        pieces += detector.process(x[:, at : at + n])
        at += n
    assert pieces == whole[: len(pieces)] and len(pieces) == len([e for e in whole if e.at_samples <= at])


def test_08_each_port_has_its_country():
    detector = ProgressDetector(3, "CN")
    detector.set_country([1], "US")
    detector.set_country([2], "GB")
    x = np.stack([national(c, "busy", 4) for c in ("CN", "US", "GB")]).astype(np.float32)
    assert {(e.port, e.tone) for e in detector.process(x)} == {(0, "busy"), (1, "busy"), (2, "busy")}


def test_09_inactive_ports_hear_nothing_and_reset_forgets():
    detector = ProgressDetector(2, "CN")
    x = np.stack([national("CN", "busy", 2)] * 2).astype(np.float32)
    assert {e.port for e in detector.process(x, np.array([True, False]))} == {0}
    detector.reset([0])
    assert detector.process(np.zeros((2, 16000), np.float32)) == []


BAD = {
    "silent": np.zeros(24000),
    "dc": np.full(24000, 9000.0),
    "nan": np.full(24000, np.nan),
    "infinite": np.full(24000, np.inf),
    "square": 32767.0 * np.sign(np.sin(2 * np.pi * 1000 * np.arange(24000) / 8000 + 0.1)),
    "impulses": np.where(np.arange(24000) % 3000 == 0, 32767.0, 0.0),
    "noise": S.white(3, 0),
    "hum": S.tone((50,), (), 3, -10),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_10_bad_input_gives_no_event_and_the_next_tone_is_found(kind):
    detector = ProgressDetector(1, "CN")
    assert detector.process(BAD[kind][None, :]) == []
    tones = [e.tone for e in detector.process(national("CN", "busy", 4)[None, :]) if e.phase == "start"]
    assert tones == ["busy"]


def test_11_a_clipped_tone_is_still_one():
    x = np.clip(national("CN", "busy", 4, 3.0) * 3, -32768, 32767)
    assert [e.tone for e in heard(x, "CN") if e.phase == "start"] == ["busy"]


def test_12_hum_and_noise_under_a_tone():
    x = national("CN", "congestion", 6, -30) + S.tone((50,), (), 6, -22) + S.white(6, -42)
    assert [e.tone for e in heard(x, "CN") if e.phase == "start"] == ["congestion"]


def test_13_speech_and_music_have_no_tones_in_them():
    named = ("dial", "ringback", "busy", "congestion", "sit", "fax-cng", "fax-ced")
    false = []
    for folder in (SPEECH, MUSIC):
        rows = in_rows(recordings(folder, False), 64)
        for country in ("CN", "US"):
            events = ProgressDetector(64, country).process(rows)
            false += [(country, e.tone) for e in events if e.phase == "start" and e.tone in named]
    assert len(false) <= 1, false


@pytest.mark.parametrize("country", ["CN", "US", "GB", "FR", "JP", "AU", "KR", "ZA", "SG", "MX", "BR"])
def test_15_a_short_dial_tone_is_one(country):
    """The first digit ends it. What may as well be a burst of ringback is called that."""
    for duration_s in (0.6, 0.75, 3.0):
        x = np.concatenate([S.silence(1), national(country, "dial", duration_s), S.silence(2)])
        x = S.a_law(x + S.white(len(x) / 8000 + 1, -55)[: len(x)])
        found = [s for s in segments(x, country) if s["tone"] != "silence"]
        assert [s["tone"] for s in found] == ["dial"], (duration_s, found)
        assert found[0]["start_s"] == pytest.approx(1.0, abs=0.05)
        assert found[0]["end_s"] == pytest.approx(1.0 + duration_s, abs=0.05)


def test_16_three_tones_of_the_wrong_length_are_no_information_tone():
    three = [S.tone((f,), (), 0.1, -15) for f in (950, 1400, 1800)]
    x = np.concatenate([S.silence(0.5), *three, S.silence(1.0), *three, S.silence(1)])
    assert "sit" not in [e.tone for e in heard(x, "CN")]


def test_17_a_gliding_or_fading_note_is_no_dial_tone():
    t = np.arange(16000) / 8000
    glide = 3000 * np.sin(2 * np.pi * (450 * t + 3 * np.sin(2 * np.pi * 4 * t) / (2 * np.pi * 4) * 4))
    fading = 8000 * np.exp(-t) * np.sin(2 * np.pi * 450 * t)
    for x in (glide, fading):
        assert heard(np.concatenate([S.silence(0.5), x, S.silence(2)]), "CN") == []


def test_18_a_scan_that_has_run_for_years_goes_on():
    """Frames are counted beyond 2^31: 497 days."""
    detector = ProgressDetector(1, "CN")
    detector.scan.number = 2**31 - 100
    detector.reset([0])
    events = detector.process(national("CN", "ringback", 14.0)[None])
    assert [event.tone for event in events if event.phase == "start"] == ["ringback"]


def test_14_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"\[2, n\]"):
        ProgressDetector(2, "CN").process(np.zeros((3, 160), np.float32))
    assert segments(np.zeros(0), "CN") == []


@pytest.mark.parametrize("level_dbm0", [-6.0, -35.0])
@pytest.mark.parametrize("country", ["CN", "US", "FR", "RU"])
def test_the_edges_of_tones_on_a_band_limited_line_are_no_voice(country, level_dbm0):
    speech = S.at_level(recordings(SPEECH, True)[3][:16000], -20)
    x = np.concatenate(
        [
            S.silence(0.71),
            national(country, "dial", 3, level_dbm0),
            S.silence(1.5),
            national(
                country, "ringback", 3 * sum(tone_table(country)["ringback"].cadence_ms) / 1000, level_dbm0
            ),
            speech,
            S.silence(1.2),
            national(country, "busy", 5, level_dbm0),
        ]
    )
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / 8000)
    spectrum[(hz < 280) | (hz > 3450)] = 0.0
    line = np.fft.irfft(spectrum, len(x)) + 600.0 + S.white(len(x) / 8000 + 1, -62, 1)[: len(x)]
    found = names(S.a_law(line), country)
    voice = [i for i, name in enumerate(found) if name == "voice"]
    assert found[: voice[0]] == ["silence", "dial", "silence", "ringback"]
    assert found[voice[-1] + 1 :] == ["silence", "busy"]


@pytest.mark.parametrize("pause_s", [0.3, 0.4, 0.8])
def test_pauses_in_speech_are_silence_where_they_are(pause_s):
    n = np.arange(8000)
    word = S.at_level(np.sin(n * 0.9) * (1.2 + np.sin(n / 120.0)) + np.sin(n * 0.35), -20)
    x = np.concatenate([S.silence(0.5), word, S.silence(pause_s), word, S.silence(0.5)])
    found = segments(x + S.white(len(x) / 8000, -62, 2)[: len(x)], "CN")
    assert [s["tone"] for s in found] == ["silence", "voice", "silence", "voice", "silence"]
    assert found[2]["start_s"] == pytest.approx(1.5, abs=0.1)
    assert found[2]["end_s"] == pytest.approx(1.5 + pause_s, abs=0.1)


@pytest.mark.parametrize("share", [0.2, 0.45, 0.55, 0.9])
@pytest.mark.parametrize("country", ["CN", "US", "DE", "FR", "RU"])
def test_a_recording_that_opens_within_a_burst_of_busy(country, share):
    cut = int(share * tone_table(country)["busy"].cadence_ms[0] * 8)
    x = national(country, "busy", 6)[cut:]
    assert names(S.a_law(x + S.white(len(x) / 8000 + 1, -60, 3)[: len(x)]), country) == ["busy"]


def test_a_word_at_the_start_of_a_recording_is_no_busy():
    speech = S.at_level(recordings(SPEECH, True)[3][:16000], -20)
    word = speech[np.flatnonzero(np.abs(speech) > 500)[0] :][:2800]
    x = np.concatenate([word, S.silence(0.35), national("CN", "busy", 5)])
    assert names(S.a_law(x), "CN")[0] == "voice"


def test_16_ports_that_nobody_asks_about_are_not_looked_at():
    x = np.stack([national("CN", "busy", 4)] * 2).astype(np.float32)
    detector = ProgressDetector(2, "CN")
    wanted = np.array([False, True])
    found = [e for frame in detector.scan.process(x) for e in detector.process_frame(frame, wanted)]
    assert [(e.port, e.tone) for e in found] == [(1, "busy")]


@pytest.mark.parametrize("dial_s", [0.6, 0.8, 1.0, 1.2, 1.3, 1.5])
@pytest.mark.parametrize("country", ["CN", "US", "DE"])
def test_keys_end_a_dial_tone_and_are_no_part_of_ringback(country, dial_s):
    keys = signals.keys("1380013", 80, 80, low_dbm0=-10)
    tone = tone_table(country)["ringback"]
    parts = [S.silence(0.5), national(country, "dial", dial_s), keys, S.silence(1.5)]
    ring_s = sum(map(len, parts)) / 8000
    ring = national(country, "ringback", 2 * sum(tone.cadence_ms) / 1000)
    found = [s for s in segments(S.a_law(np.concatenate([*parts, ring])), country) if s["tone"] != "silence"]
    assert [s["tone"] for s in found if s["tone"] != "voice"] == ["dial", "ringback"]
    assert found[0]["start_s"] == pytest.approx(0.5, abs=0.05)
    assert found[0]["end_s"] == pytest.approx(0.5 + dial_s, abs=0.05)
    assert found[-1]["start_s"] == pytest.approx(ring_s, abs=0.05)


def test_dial_tone_that_goes_on_under_a_key_is_not_over():
    keys = signals.keys("5", 100, 0, low_dbm0=-14)
    tone = national("CN", "dial", 4.0)
    tone[8000:][: len(keys)] += keys
    assert [s["tone"] for s in segments(S.a_law(tone), "CN") if s["tone"] == "dial"] == ["dial"]


@pytest.mark.parametrize("country", ["CN", "DE", "FR"])
def test_a_voice_at_the_end_of_a_recording_is_no_part_of_the_ringback_before_it(country):
    tone = tone_table(country)["ringback"]
    speech = S.at_level(recordings(SPEECH, True)[3][:16000], -20)
    whole = national(country, "ringback", sum(tone.cadence_ms) / 1000)
    for ring in (whole, whole[: int(0.8 * tone.cadence_ms[0] * 8)]):
        x = np.concatenate([S.silence(1), whole, ring, speech[:6000], S.silence(1)])
        found = segments(S.a_law(x), country)
        voice = [i for i, s in enumerate(found) if s["tone"] == "voice"]
        at = 1 + (len(whole) + len(ring)) / 8000
        assert voice and found[voice[0]]["start_s"] == pytest.approx(at, abs=0.3), found
        assert not {"ringback", "dial"} & {s["tone"] for s in found[voice[0] :]}


def test_a_tone_that_is_on_at_the_end_of_a_recording_lasts_to_its_end():
    for name in ("dial", "busy"):
        x = np.concatenate([S.silence(1), national("CN", name, 0.35 * 11 if name == "busy" else 3.0)])
        assert segments(S.a_law(x), "CN")[-1] == {
            "tone": name,
            "start_s": pytest.approx(1.0, abs=0.05),
            "end_s": pytest.approx(len(x) / 8000, abs=0.001),
        }


@pytest.mark.parametrize("rest_s", [0.02, 0.06, 0.11, 0.16])
@pytest.mark.parametrize(
    ("country", "name"),
    [("CN", "busy"), ("RU", "busy"), ("US", "busy"), ("GB", "busy"), ("GB", "ringback")],
)
def test_the_last_burst_of_a_tone_that_was_cut_is_no_voice(country, name, rest_s):
    tone = tone_table(country)[name]
    sounds_s = (2 if name == "ringback" else 5) * sum(tone.cadence_ms) / 1000 + rest_s
    x = np.concatenate([S.silence(2), national(country, name, sounds_s, -18), S.silence(1)])
    found = segments(x + S.white(len(x) / 8000 + 1, -60, 5)[: len(x)], country)
    assert [part["tone"] for part in found] == ["silence", name, "silence"]
    least_s = 2 + sounds_s - (rest_s if rest_s < 0.15 else 0)  # so little may be left out
    assert least_s - 0.05 <= found[1]["end_s"] <= 2 + sounds_s + 0.05


@pytest.mark.parametrize("rest", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("country", "name"), [("CN", "busy"), ("US", "ringback")])
def test_who_speaks_into_a_tone_is_a_voice_from_the_first_word(country, name, rest):
    """After a whole burst, and where the burst is cut by the answer."""
    on_ms, off_ms = tone_table(country)[name].cadence_ms[:2]
    sounds_s = ((on_ms + off_ms) * 5 + on_ms * (rest or 1)) / 1000
    said = recordings(SPEECH, True)[3]
    said = S.at_level(said[np.flatnonzero(np.abs(said) > 500)[0] :][:12000], -22)
    x = np.concatenate([S.silence(1), national(country, name, sounds_s), said, S.silence(1)])
    found = segments(x + S.white(len(x) / 8000 + 1, -60, 6)[: len(x)], country)
    assert [part["tone"] for part in found[:3]] == ["silence", name, "voice"]
    assert found[2]["start_s"] == pytest.approx(1 + sounds_s, abs=0.15)


FORMS = [
    (country, form.frequencies_hz, form.cadence_ms, max(step.modulation_hz for step in form.steps))
    for country in ("BG", "IN", "JP", "NG", "RO", "RU", "SE", "SG", "ZA")
    for form in tone_table(country).variants["ringback"]
]


@pytest.mark.parametrize(("country", "frequencies_hz", "cadence_ms", "modulation_hz"), FORMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_form_of_a_ringback_is_one_whatever_the_phases_of_its_frequencies(
    country, frequencies_hz, cadence_ms, modulation_hz, seed
):
    lasts_s = 4 * sum(cadence_ms) / 1000
    x = S.tone(frequencies_hz, cadence_ms, lasts_s, -18, modulation_hz=modulation_hz, seed=seed)
    x = np.concatenate([S.silence(1), x])
    found = segments(x + S.white(len(x) / 8000 + 1, -62, seed)[: len(x)], country)
    assert [part["tone"] for part in found] == ["silence", "ringback"]
    assert found[1]["end_s"] == pytest.approx(len(x) / 8000, abs=0.05)


@pytest.mark.parametrize("hz", [333, 697, 1000, 1200])
def test_a_square_wave_is_no_voice_and_hides_none(hz):
    wave = 20000 * np.sign(np.sin(2 * np.pi * hz * np.arange(24000) / S.RATE + 0.1))
    said = S.at_level(recordings(SPEECH, True)[3][:16000], -16)
    x = S.a_law(np.concatenate([S.silence(1), wave, S.silence(0.5), said, S.silence(1)]))
    voices = [s for s in segments(x.astype(np.float32), "CN") if s["tone"] == "voice"]
    assert voices and 4.4 <= voices[0]["start_s"] < 4.8
