"""Disconnect: every hang-up seen within three cycles, none where nobody hung up."""

import zlib

import numpy as np
import pytest

from dsp.countries import COUNTRIES, tone_table
from dsp.disconnect import DisconnectDetector, hangup
from dsp.linescan import SOUND_HISTORY, LearnedTone, LineScan
from tests.dsp import signals_progress as S
from tests.dsp.corpora import MUSIC, SPEECH, in_rows, recordings

VOICE = np.concatenate(recordings(SPEECH, False)[:40]).astype(float)
VOICE *= 10 ** ((-20 - S.active_level_of(VOICE)) / 20)


def voice(rng, duration_s, level_dbm0):
    at = int(rng.integers(0, len(VOICE) - int(duration_s * 8000) - 1))
    return VOICE[at : at + int(duration_s * 8000)] * 10 ** ((level_dbm0 + 20) / 20)


def ended_call(tone, rng, level_dbm0, frequency_error=0.0, cadence_error=0.0, cycles=4.0, noise_db=25.0):
    """Speech, a pause and the tone; returns the samples, where the tone begins, and its cycle."""
    cycle_s = sum(tone.cadence_ms) / 1000 * (1 + cadence_error) or 3.0
    modulation = max(step.modulation_hz for step in tone.steps)
    before = np.concatenate([voice(rng, 2.0, -20), S.silence(rng.uniform(0.1, 1.0))])
    sound = S.tone(
        tone.frequencies_hz,
        tone.cadence_ms,
        max(cycles * cycle_s, 3),
        level_dbm0,
        frequency_error,
        cadence_error,
        modulation,
        seed=int(rng.integers(1 << 30)),
    )
    x = np.concatenate([before, sound, S.silence(0.5)])
    x = x + S.white(len(x) / 8000 + 1, level_dbm0 - noise_db, int(rng.integers(1 << 30)))[: len(x)]
    return S.a_law(x), len(before) / 8000, cycle_s


def quick(tone):
    return 0 < sum(tone.cadence_ms) <= 3000


SHORTEST_S = 1.3
"""Three bursts of 100 ms are not told from a stutter: the fastest tones get so long."""


@pytest.mark.parametrize("country", COUNTRIES)
def test_01_every_country(country):
    """Busy and congestion end a call within three cycles, named right; ringback and dial tone never do."""
    rng = np.random.default_rng(zlib.crc32(country.encode()))
    table = tone_table(country)
    off, tempo = rng.uniform(-0.02, 0.02), rng.uniform(-0.1, 0.1)
    rows, starts, limits = [], [], []
    for name in ("busy", "congestion", "ringback", "dial"):
        cycle_s = sum(table[name].cadence_ms) / 1000 * (1 + tempo)
        lasting_s = max(3.2 * cycle_s, SHORTEST_S)
        before_s = 0.5 if name == "dial" else 1.0
        tone = S.tone(
            table[name].frequencies_hz,
            table[name].cadence_ms,
            4.0 if name == "dial" else min(lasting_s, 14),
            rng.uniform(-34, -6),
            off,
            tempo,
            max(step.modulation_hz for step in table[name].steps),
            seed=len(rows),
        )
        before = S.silence(before_s) if name == "dial" else voice(rng, before_s, -20)
        rows.append(np.concatenate([before, S.silence(0.2), tone]))
        starts.append(before_s + 0.2)
        limits.append(before_s + 0.2 + max(3 * cycle_s, SHORTEST_S) + 0.06)
    x = np.zeros((4, max(map(len, rows)) + 4000))
    for row, samples in zip(x, rows, strict=True):
        row[: len(samples)] = samples
        row += S.white(len(row) / 8000, min(S.level_of(samples) - 25, -45), int(abs(off) * 1e6))
    found = DisconnectDetector(4, country).process(np.stack([S.a_law(row) for row in x]))
    assert sorted(h.port for h in found) == [0, 1], found
    for end in found:
        assert starts[end.port] < end.at_samples / 8000 <= limits[end.port]
        assert end.reason in names_of(table, ("busy", "congestion")[end.port])


def names_of(table, name):
    """What a tone may be called: where busy and congestion sound alike it is busy."""
    alike = {t.cadence_ms for t in table.variants["congestion"]} & {
        t.cadence_ms for t in table.variants["busy"]
    }
    return {name, "busy"} if table[name].cadence_ms in alike else {name}


def test_03_what_the_reason_says():
    rng = np.random.default_rng(13)
    for country in ("CN", "US", "GB"):
        for name in ("busy", "congestion"):
            x, at, _ = ended_call(tone_table(country)[name], rng, -20)
            detector = DisconnectDetector(1, country)
            found = detector.process(x[None, :])
            assert [(h.port, h.reason) for h in found] == [(0, name)]
            assert found[0].tone_began_samples / 8000 == pytest.approx(at, abs=0.05)


def test_04_dial_tone_that_comes_back():
    rng = np.random.default_rng(14)
    for country in ("CN", "US", "FR"):
        x, at, _ = ended_call(tone_table(country)["dial"], rng, -15)
        found = hangup(x, country)
        assert found["reason"] == "dialtone" and at + 1.5 < found["hangup_s"] < at + 3
    tone = S.tone((450,), (), 4, -15)[None, :]
    connected = DisconnectDetector(1, "CN")
    connected.connected([0])
    assert [h.reason for h in connected.process(tone)] == ["dialtone"]


def test_04_dial_tone_on_a_noisy_line_before_any_call_is_no_hangup():
    """Somebody lifts the telephone; the hiss of the line is as loud as a soft voice."""
    for country in ("CN", "US", "FR"):
        tone = tone_table(country)["dial"]
        x = np.concatenate([S.silence(1.0), S.tone(tone.frequencies_hz, (), 6, -9)])
        x = S.a_law(x + S.white(len(x) / 8000 + 1, -33, 7)[: len(x)])
        assert hangup(x, country)["hangup_s"] is None, country


def unsteady(x, how):
    """A held chord at the frequencies of dial tone, 3 s."""
    t = np.arange(len(x)) / 8000
    if how == "fades and comes back":
        return x * np.where((t > 1.0) & (t < 1.5), 10 ** (-4 / 20), 1.0)
    if how == "bends":
        bend = np.where(t < 1.5, 0, 2 * np.pi * 2.5 * (t - 1.5))
        return np.real(hilbert(x) * np.exp(1j * bend))
    if how == "has notes beside it":
        return x + S.tone((660,), (150, 150), 3, S.level_of(x) - 2.5)
    return x


def hilbert(x):
    """The sound without its negative frequencies."""
    bins = np.fft.fft(x)
    bins[len(x) // 2 :] = 0
    return 2 * np.fft.ifft(bins)


@pytest.mark.parametrize("how", ["", "fades and comes back", "bends", "has notes beside it"])
def test_04_only_a_tone_that_goes_on_unchanged_is_dial_tone_that_came_back(how):
    for country in ("CN", "FR", "HK"):
        tone = S.tone(tone_table(country)["dial"].frequencies_hz, (), 3, -15)
        detector = DisconnectDetector(1, country)
        detector.connected([0])
        sound = np.concatenate([unsteady(tone, how), S.silence(0.5)])
        reasons = [h.reason for h in detector.process(S.a_law(sound)[None, :])]
        assert reasons == ([] if how else ["dialtone"]), country


@pytest.mark.parametrize(
    ("country", "parts", "is_dial"),
    [
        ("ZA", [((367, 400, 433), 3)], True),
        ("ZA", [((367, 433), 3)], True),
        ("ZA", [((360, 425), 3)], True),
        ("ZA", [((377, 423), 3)], False),
        ("ZA", [((371.5,), 2), ((371.5, 433), 1)], False),
        ("HK", [((350, 440), 3)], True),
        ("HK", [((343, 431), 3)], True),
        ("HK", [((342, 450), 3)], False),
    ],
)
def test_04_notes_of_another_interval_or_one_after_the_other_are_no_dial_tone(country, parts, is_dial):
    """A held note at one of dial tone's frequencies, over which a melody comes to the other."""
    detector = DisconnectDetector(1, country)
    detector.connected([0])
    sound = np.concatenate([*(S.tone(hz, (), seconds, -15) for hz, seconds in parts), S.silence(0.5)])
    reasons = [h.reason for h in detector.process(S.a_law(sound)[None, :])]
    assert reasons == (["dialtone"] if is_dial else [])


@pytest.mark.parametrize("notes_hz", [(649, 578, 687), (800, 800, 800), None])
def test_05_a_melody_with_a_note_at_the_tone_is_no_busy_tone(notes_hz):
    """A synthesizer plays 425 Hz and other notes by turns; None: nothing between, which is busy tone."""
    parts = [voice(np.random.default_rng(3), 2.0, -20)]
    for i in range(8):
        gap = S.tone((notes_hz[i % 3],), (), 0.2, -15) if notes_hz else S.silence(0.2)
        parts += [S.tone((425,), (), 0.2, -15), gap]
    found = hangup(S.a_law(np.concatenate([*parts, S.silence(1)])), "ES")
    assert found["reason"] == (None if notes_hz else "busy")


def test_05_a_tone_that_was_learned_may_be_of_two_by_turns():
    detector = DisconnectDetector(1, "ES")
    detector.set_country([0], "ES", LearnedTone((425.0,), 200, 200))
    turns = [S.tone((hz,), (), 0.2, -15) for hz in (425, 649) * 8]
    sound = np.concatenate([voice(np.random.default_rng(3), 2.0, -20), *turns, S.silence(1)])
    assert [h.reason for h in detector.process(S.a_law(sound)[None, :])] == ["learned"]


def test_05_a_note_is_the_strongest_sine_and_its_share_of_all_above_the_hum():
    hum, sine = S.tone((100,), (), 10, -10), S.tone((700,), (), 10, -20)
    noise = S.white(10, -20, 4)[: len(sine)]
    scan = LineScan(3, "ES")
    for _ in scan.process(np.stack([hum + sine, sine + S.tone((900,), (), 10, -23), noise])):
        pass
    stop = scan.number
    (level_db, share), (both_db, part), (_, of_noise) = (
        scan.note(port, stop - 10, stop) for port in range(3)
    )
    seen = scan.sines(0, stop - 10, stop, (700.0,))
    assert level_db == pytest.approx(seen.level_db, abs=0.1) and share > 0.99
    assert both_db == pytest.approx(level_db, abs=0.1) and part == pytest.approx(2 / 3, abs=0.01)
    assert of_noise < 0.3
    longer_db = scan.note(0, stop - 20, stop)[0]
    assert longer_db == pytest.approx(level_db - 10 * np.log10(2), abs=0.1), "as `Sines.level_db` says"
    assert scan.note(0, stop - 1, stop) is None, "too short"
    assert scan.note(0, stop - SOUND_HISTORY - 1, stop - SOUND_HISTORY + 9) is None, "no longer kept"


def test_04_dial_tone_comes_back_in_noise_or_under_our_own_voice():
    rng = np.random.default_rng(24)
    for country in ("CN", "US", "FR", "GB"):
        x, at, _ = ended_call(tone_table(country)["dial"], rng, -20, noise_db=8.0)
        assert hangup(x, country)["reason"] == "dialtone", country
        x, at, _ = ended_call(tone_table(country)["dial"], rng, -15)
        start = int(at * 8000)
        x[start:] += voice(rng, len(x) / 8000, -25)[: len(x) - start]
        assert hangup(S.a_law(x), country)["reason"] == "dialtone", country


def ended_under_voice(tone, rng, level_dbm0, under_db=10.0):
    """A call that has ended while our own prompt plays: its echo lies over the tone, gaps and all."""
    x, at_s, cycle_s = ended_call(tone, rng, level_dbm0, cycles=8)
    start = int(at_s * 8000)
    x[start:] += voice(rng, len(x) / 8000, level_dbm0 - under_db)[: len(x) - start]
    return S.a_law(x), at_s, cycle_s


@pytest.mark.parametrize("country", ["CN", "US", "GB", "JP", "DE", "FR", "BR"])
def test_05_under_our_own_voice_10_db_weaker(country):
    rng = np.random.default_rng(15)
    in_time = []
    for _ in range(16):
        x, at_s, cycle_s = ended_under_voice(tone_table(country)["busy"], rng, rng.uniform(-25, -8))
        found_s = hangup(x, country)["hangup_s"]
        assert found_s is not None and at_s < found_s < at_s + 6 * cycle_s
        in_time.append(found_s <= at_s + 3 * cycle_s + 0.06)
    assert np.mean(in_time) > 0.9


def test_05_busy_that_its_gap_alone_tells_from_congestion_is_in_time_under_our_own_voice():
    """Spain: what the voice hides of the gap that names the cause must not delay the hang-up."""
    rng = np.random.default_rng(15)
    cycles = []
    for _ in range(16):
        x, at_s, cycle_s = ended_under_voice(tone_table("ES")["busy"], rng, rng.uniform(-25, -8))
        cycles.append((hangup(x, "ES")["hangup_s"] - at_s - 0.06) / cycle_s)
    assert min(cycles) > 0 and np.mean(np.array(cycles) <= 3) > 0.9, cycles
    assert max(cycles) <= 7, cycles


@pytest.mark.parametrize("name", ["ringback", "dial"])
def test_05_ringback_and_dial_tone_under_our_own_voice_are_no_hangup(name):
    rng = np.random.default_rng(18)
    for country in ("CN", "US", "GB", "JP", "DE", "FR", "BR", "ES", "AU", "IT"):
        tone = tone_table(country)[name]
        modulation = max(step.modulation_hz for step in tone.steps)
        x = S.tone(tone.frequencies_hz, tone.cadence_ms, 12, -15, modulation_hz=modulation)
        x = S.a_law(x + voice(rng, len(x) / 8000 + 1, -25)[: len(x)])
        assert hangup(x, country)["hangup_s"] is None, country


def test_05_three_notes_of_a_tune_in_the_rhythm_of_busy_are_no_hangup():
    """The same length and loudness, and all within the tolerance of the tone, but not the same note."""
    for hz in ((425, 445, 430), (440, 455, 445), (455, 440, 450)):
        notes = [np.concatenate([S.tone((f,), (), 0.35, -15), S.silence(0.35)]) for f in hz * 3]
        assert hangup(np.concatenate(notes), "CN")["hangup_s"] is None
    same = [np.concatenate([S.tone((445,), (), 0.35, -15), S.silence(0.35)])] * 9
    assert hangup(np.concatenate(same), "CN")["reason"] == "busy"


def test_06_noise_6_db_under_the_tone():
    rng = np.random.default_rng(16)
    for country in ("CN", "US"):
        for level in (-10, -30):
            x, at, cycle = ended_call(tone_table(country)["busy"], rng, level, noise_db=6.0)
            found = hangup(x, country)["hangup_s"]
            assert found is not None and found <= at + 3 * cycle + 0.06


def test_07_no_false_hangup_in_speech_and_music():
    for folder in (SPEECH, MUSIC):
        rows = in_rows(recordings(folder, False), 64)
        for country in ("CN", "US", "DE"):
            detector = DisconnectDetector(64, country)
            detector.connected(range(64))
            assert detector.process(rows) == [], f"{folder.name} {country}"


def test_08_one_hangup_per_call_and_again_after_reset():
    x = S.tone((450,), (350, 350), 10, -15)[None, :]
    detector = DisconnectDetector(1, "CN")
    assert len(detector.process(x)) == 1
    detector.reset([0])
    again = detector.process(x)
    assert len(again) == 1 and again[0].tone_began_samples >= 80000


def test_09_a_learned_tone_of_one_port():
    detector = DisconnectDetector(2, "CN")
    detector.set_country([1], "CN", LearnedTone((520.0,), 200.0, 300.0))
    x = np.stack([S.tone((520,), (200, 300), 5, -20)] * 2)
    assert [(h.port, h.reason) for h in detector.process(x)] == [(1, "learned")]


def test_10_any_block_length_gives_the_same():
    rng = np.random.default_rng(17)
    x, _, _ = ended_call(tone_table("CN")["busy"], rng, -20)
    whole = DisconnectDetector(1, "CN").process(x[None, :])
    for n in (37, 160, 333):
        detector = DisconnectDetector(1, "CN")
        pieces = [h for at in range(0, len(x), n) for h in detector.process(x[None, at : at + n])]
        assert pieces == whole


@pytest.mark.parametrize(
    "bad",
    [
        np.full(16000, np.nan),
        np.full(16000, -32768.0),
        32767 * np.sign(np.sin(2 * np.pi * 450 * np.arange(48000) / 8000)),
        np.where(np.arange(48000) % 2800 == 0, 32767.0, 0.0),
        S.white(4, -3),
        S.tone((1000,), (350, 350), 6, -10),
        S.tone((50,), (350, 350), 6, -10),
    ],
    ids=["nan", "dc", "square", "impulses", "noise", "other frequency", "switched hum"],
)
def test_11_bad_input_is_no_hangup_and_the_next_one_is_seen(bad):
    detector = DisconnectDetector(1, "CN")
    assert detector.process(bad[None, :]) == []
    assert len(detector.process(S.tone((450,), (350, 350), 3, -15)[None, :])) == 1


def test_12_keypad_and_beeps_in_rhythm_are_no_hangup():
    keys = S.tone((770, 1336), (350, 350), 6, -10)
    beeps = S.tone((440,), (350, 900), 6, -10)
    for x in (keys, beeps):
        assert hangup(x, "CN") == {"hangup_s": None, "reason": None}


@pytest.mark.parametrize("level_dbm0", [-12.0, -30.0])
def test_a_recording_that_ends_with_the_third_burst(level_dbm0):
    x = np.concatenate([S.silence(1), S.tone((450,), (350, 350), 2.5 * 0.7, level_dbm0)])
    assert hangup(x, "CN") == {"hangup_s": pytest.approx(len(x) / 8000, abs=0.001), "reason": "busy"}
    shorter = np.concatenate([S.silence(1), S.tone((450,), (350, 350), 1.5 * 0.7, level_dbm0)])
    assert hangup(shorter, "CN")["hangup_s"] is None
    rings = np.concatenate([S.silence(1), S.tone((450,), (1000, 4000), 11, level_dbm0)])
    assert hangup(rings, "CN")["hangup_s"] is None


BEEPS_MS = ((100, 100), (120, 80), (200, 200), (250, 250))


def different_networks():
    """Of countries whose tones end a call alike, the first."""
    kept = {}
    for country in COUNTRIES:
        variants = tone_table(country).variants
        forms = [(n, t.steps) for n in ("busy", "congestion", "unobtainable") for t in variants.get(n, ())]
        kept.setdefault(str(forms), country)
    return list(kept.values())


def is_tone_of(table, on_ms, off_ms):
    """Whether beeps that went on would be a tone that ends a call."""
    forms = [t.cadence_ms for n in ("busy", "congestion", "unobtainable") for t in table.variants.get(n, ())]
    return any(
        abs(on_ms - on) <= 0.17 * on + 55 and abs(off_ms - off) <= 0.17 * off + 55
        for on, off in (form for form in forms if len(form) == 2)
    )


@pytest.mark.parametrize("country", different_networks())
def test_13_two_to_four_beeps_in_a_call_are_no_hangup(country):
    """Confirmation, hold and voicemail beeps, of the tone's frequencies: the call goes on, or is silent."""
    rng = np.random.default_rng(zlib.crc32(country.encode()))
    table = tone_table(country)
    rows = []
    for on, off in BEEPS_MS:
        for count in (2, 3) if is_tone_of(table, on, off) else (2, 3, 4):
            tone = S.tone(table["busy"].frequencies_hz, (on, off), count * (on + off) / 1000, -15)
            breath_s = rng.uniform(0.1, 0.4)
            for after in (voice(rng, 2.0, -20), S.silence(2.0)):
                rows.append(
                    np.concatenate([voice(rng, 1.0, -20), S.silence(0.2), tone, S.silence(breath_s), after])
                )
    x = np.zeros((len(rows), max(map(len, rows)) + 2000))
    for row, samples in zip(x, rows, strict=True):
        row[: len(samples)] = samples
    x = S.a_law(x + rng.normal(0, 10, x.shape))
    assert DisconnectDetector(len(x), country).process(x) == []


@pytest.mark.parametrize("name", ["ES", "SY", "KE"])
def test_13_congestion_of_several_lengths_is_told_from_its_beginning(name):
    """A whole cycle, and the next burst begins."""
    rng = np.random.default_rng(19)
    x, at_s, cycle_s = ended_call(tone_table(name)["congestion"], rng, -20, cycles=3)
    found = hangup(x, name)
    assert found["reason"] == "congestion"
    assert at_s + cycle_s < found["hangup_s"] < at_s + 3 * cycle_s


def test_13_unobtainable_number_in_china():
    tone = tone_table("CN")["unobtainable"]
    x, at_s, _ = ended_call(tone, np.random.default_rng(20), -20)
    found = hangup(x, "CN")
    assert found["reason"] == "congestion" and at_s + 1.4 < found["hangup_s"] < at_s + 2.1
    short = x[: int((at_s + 1.3) * 8000)]
    assert hangup(short, "CN")["hangup_s"] is None, "not one whole cycle"
